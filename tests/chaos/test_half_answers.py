"""Half an answer is no answer: what brings the certificate is cut at each of its bytes, for each transport that orders over HTTP.

The conformance suite cuts at a few bytes in every run; here all of it is done at once, for one figure.
"""

import importlib
import os
import time
from contextlib import contextmanager

import pytest

from chancery.sdk.testing import Conformance
from chancery.sdk.testing.bench import Bench
from chancery.sdk.testing.slices import Cuts, cut_everywhere
from tests.chaos.test_random_kills import SEED

MODULES = ("digicert", "emsign", "acme", "emca", "adcs")
MINUTES = float(os.environ.get("CHANCERY_CHAOS_MINUTES") or 10)
"""No transport is begun after these."""
MORE = ("adcs.tests.test_over_services",)


def suites():
    """Return the conformance classes beside the authorities, one for each transport."""
    names = [*(f"{name}.tests.test_conformance" for name in MODULES), *MORE]
    found = {}
    for name in names:
        module = importlib.import_module(f"chancery.authorities.{name}")
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, Conformance) and one.__name__.startswith("Test"):
                found[f"{name.partition('.')[0]}.{one.__name__.removeprefix('Test')}"] = one
    return found


@contextmanager
def bench_of(suite):
    """Give the bench of one suite."""
    with suite().case() as case:
        bench = Bench(suite.authority, case)
        try:
            yield bench
        finally:
            bench.close()


@pytest.mark.long
def test_no_answer_counts_that_was_cut_at_any_byte(result, say):
    """As many transports as the time allows, each at every byte."""
    whole, played, until = Cuts(), [], time.monotonic() + MINUTES * 60
    for name, suite in suites().items():
        if time.monotonic() > until:
            break
        with bench_of(suite) as bench:
            if bench.about.outside:
                found = cut_everywhere(bench)
                say(f"{name}: {found}")
                whole += found
                played.append(name)
    unit = (
        f"certificates taken from {whole.made} cut answers, one at each byte and on two kinds of line, of {', '.join(played)}: "
        f"{whole.refused} refused with a sentence, {whole.waited} asked for again, {whole.kept_apart} quarantined; {whole.whole} "
        "lacked nothing but what follows a whole certificate and chain"
    )
    assert played
    result("R8", 0, unit, SEED)
