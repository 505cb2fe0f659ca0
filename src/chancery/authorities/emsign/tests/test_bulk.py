"""Many of everything, by seed: the CA's ledger says what was asked for, reason for reason, and nothing twice.

The short run is always made; the full ten thousand with `--long`. Lost answers are in the conformance suite.
"""

import hashlib
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from chancery.authorities.emsign.simulator import build
from chancery.authorities.emsign.simulator.book import REASONS
from chancery.authorities.emsign.tests.conftest import CA
from chancery.authorities.emsign.tests.stand import START, close, connector, finish, request, target
from chancery.core import keys
from chancery.core.clock import ManualClock
from chancery.core.order import RevocationReason
from chancery.sdk.outcome import Revoked

KEYS = [keys.generate("EC-P256") for _ in range(16)]
FIVE = [r for r in RevocationReason if r is not RevocationReason.UNSPECIFIED]
WORDS = dict(zip(FIVE, REASONS, strict=True))
SIZES = [pytest.param(60, id="60"), pytest.param(10_000, marks=pytest.mark.long, id="10000")]


@pytest.fixture
def roomy(clock):
    """An account without the burst limit, which other tests are about."""
    with build(clock=clock, ca=CA, burst=(10.0, 10**6)) as made:
        yield made
        close()


def csr_sha256(asked):
    return hashlib.sha256(asked.csr).hexdigest()


def test_the_words_of_the_reasons_are_in_their_order():
    assert WORDS[RevocationReason.PRIVILEGE_WITHDRAWN] == "privilege-withdrawn"
    assert [WORDS[r].replace("-", "") for r in FIVE] == [str(r).lower() for r in FIVE]


@pytest.mark.parametrize("size", SIZES)
def test_mixed_renewals_reissues_and_revocations_leave_the_ledger_that_was_asked_for(roomy, clock, size, result):
    dice = random.Random(20261123)
    ca = connector(roomy, clock, "v2")
    live, asked_orders, asked_reissues, asked_reasons = [], [], [], Counter()

    def place(**more):
        asked = request(
            f"h{len(asked_orders)}-{len(asked_reissues)}.example.com", key=dice.choice(KEYS), at=clock.now(), **more
        )
        return asked, finish(ca, ca.submit(asked), asked, clock)

    for n in range(size):
        what = dice.choice(["new", "renew", "reissue", "revoke"]) if live else "new"
        if what == "new":
            asked, issued = place(reference=f"new-{n}")
            asked_orders.append(asked)
            live.append((asked, issued))
        elif what in {"renew", "reissue"}:
            old, before = dice.choice(live)
            asked = replace(
                request(old.common_name, key=dice.choice(KEYS), at=clock.now(), reference=f"{what}-{n}",
                        renewal="new" if what == "renew" else "auto"),
                previous=before.reference,
            )  # fmt: skip
            issued = finish(ca, ca.submit(asked), asked, clock)
            (asked_orders if what == "renew" else asked_reissues).append(asked)
            live.append((asked, issued))
        else:
            _, issued = live.pop(dice.randrange(len(live)))
            reason = dice.choice(FIVE)
            assert isinstance(ca.revoke(target(issued), reason, "bulk"), Revoked)
            asked_reasons[WORDS[reason]] += 1
        # Nothing comes to its end within a run, however long it is.
        clock.advance(timedelta(minutes=dice.randrange(1, 90)) * min(1, 1000 / size))
    assert roomy.ledger.orders_by_csr() == Counter(csr_sha256(a) for a in asked_orders)
    assert roomy.ledger.orders_by_reference() == Counter(f"chancery:{a.reference}" for a in asked_orders)
    made = Counter(line.csr_sha256 for line in roomy.ledger.lines("reissue"))
    assert made == Counter(csr_sha256(a) for a in asked_reissues)
    # Reason for reason: as many of each as were asked for, and not one that nobody asked for.
    told = Counter(line.detail for line in roomy.ledger.lines("revoke"))
    assert told == asked_reasons
    unit = (
        f"revocations that nobody asked for, of {told.total()} at the CA (emSign V2, simulator), after {size} steps:"
        f" {len(asked_orders)} orders and renewals and {len(asked_reissues)} reissues; each reason was the one that was asked for"
    )
    result("R45", (told - asked_reasons).total(), unit, 20261123)


def test_the_clock_of_these_runs_is_the_tests_own(clock):
    assert isinstance(clock, ManualClock)
    assert clock.now() == START
