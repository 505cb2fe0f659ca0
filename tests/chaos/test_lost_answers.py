"""A thousand answers are lost after the CA has acted: its ledger has each order once, and what stays open says why.

`pytest --long -k ordered_once_at_most` loses a thousand on each transport; here as many are shared among those that order over
HTTP and are quick, for one figure.
"""

import random
from collections import Counter

import pytest

from chancery.sdk.testing.lost import Lost, Toll
from tests.chaos.test_half_answers import bench_of, suites
from tests.chaos.test_random_kills import SEED

WANTED = 1_000
LOCAL = ("emsign", "emca", "acme", "digicert")
"""Authorities whose simulators answer within milliseconds."""


@pytest.mark.long
def test_a_thousand_lost_answers_make_no_second_order(result, say):
    chosen = {name: suite for name, suite in suites().items() if name.partition(".")[0] in LOCAL}
    whole, names = Toll(), sorted(chosen)
    random.Random(SEED).shuffle(names)
    for place, name in enumerate(names):
        wanted = WANTED // len(names) + (place < WANTED % len(names))
        with bench_of(chosen[name]) as bench:
            toll = Lost()._lose(bench, wanted)
            say(f"{name}: {toll}")
            whole.asked += toll.asked
            whole.lost += toll.lost
            whole.issued += toll.issued
            whole.unknown |= toll.unknown
    assert whole.lost == WANTED
    assert len(whole.asked) == whole.issued + len(whole.unknown)
    reasons = len(Counter(whole.unknown.values()))
    unit = (
        f"second orders at the CAs after {whole.lost} answers that were lost once the CA had acted, over {len(names)} transports "
        f"({', '.join(sorted(names))}): of {len(whole.asked)} orders {whole.issued} were issued, and {len(whole.unknown)} wait for a "
        f"person, each with a reason ({reasons} different) and a remedy"
    )
    result("R7", 0, unit, SEED)
