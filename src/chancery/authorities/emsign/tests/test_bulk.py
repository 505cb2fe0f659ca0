"""Many of everything, by seed: the CA's ledger says what was asked for, reason for reason, and nothing twice.

The short runs are always made; the full thousand with `--long`.
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
from chancery.authorities.emsign.tests.test_acme import connect
from chancery.core import keys
from chancery.core.certificate import spki_of
from chancery.core.clock import ManualClock
from chancery.core.order import RevocationReason
from chancery.sdk.errors import OutcomeUnknown, ProtocolViolation, Throttled, Unreachable
from chancery.sdk.outcome import Absence, Found, Issued, Pending, Revoked

KEYS = [keys.generate("EC-P256") for _ in range(16)]
FIVE = [r for r in RevocationReason if r is not RevocationReason.UNSPECIFIED]
WORDS = dict(zip(FIVE, REASONS, strict=True))
SIZES = [pytest.param(60, id="60"), pytest.param(1000, marks=pytest.mark.long, id="1000")]
LOSSES = ("lose", "error", "half", "garbled", "drop")
DAY = timedelta(days=1)


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
def test_mixed_renewals_reissues_and_revocations_leave_the_ledger_that_was_asked_for(roomy, clock, size):
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
        clock.advance(timedelta(minutes=dice.randrange(1, 90)))
    assert roomy.ledger.orders_by_csr() == Counter(csr_sha256(a) for a in asked_orders)
    assert roomy.ledger.orders_by_reference() == Counter(f"chancery:{a.reference}" for a in asked_orders)
    made = Counter(line.csr_sha256 for line in roomy.ledger.lines("reissue"))
    assert made == Counter(csr_sha256(a) for a in asked_reissues)
    # Reason for reason: as many of each as were asked for, and not one that nobody asked for.
    assert Counter(line.detail for line in roomy.ledger.lines("revoke")) == asked_reasons


def settle(ca, asked, clock):
    """Do as the engine does after a lost answer: search, never send again; returns how it stands, or why that is open."""
    for _ in range(ca.facts.search_tries):
        clock.advance(ca.facts.search_lag + timedelta(seconds=1))
        try:
            found = ca.find(asked, asked.intended_at - DAY)
        except (OutcomeUnknown, ProtocolViolation) as error:
            found = error
        if isinstance(found, Found):
            return found.outcome
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", ["v2", "v1"])
def test_orders_whose_answer_is_lost_are_never_ordered_twice(roomy, clock, way, size):
    dice = random.Random(7)
    ca = connector(roomy, clock, way)
    path = {"v2": "POST /api/certinext/v2/ssl", "v1": "POST /emSignHub-API/GenerateOrder"}[way]
    everything, unknown = [], {}
    for n in range(size):
        clock.advance(timedelta(minutes=5))
        asked = request(f"h{n}.example.com", key=dice.choice(KEYS), at=clock.now(), reference=f"lost-{n}")
        everything.append(asked)
        # Sometimes the CA has had nothing; sometimes its report shows no tags. Neither may lead to a second order.
        roomy.dials.reset()
        blind = dice.random() < 0.2
        slow = blind and dice.random() < 0.5
        roomy.dials.set(
            fail_next=1, fail_next_with=dice.choice(LOSSES), fail_next_path=path, hides_tags=blind, needs_approval=slow
        )
        with pytest.raises((OutcomeUnknown, ProtocolViolation)) as lost:
            ca.submit(asked)
        assert lost.value.bytes_sent
        outcome = settle(ca, asked, clock)
        if isinstance(outcome, Absence):
            # The CA's own word that it has none: only now, and by the engine, it is sent again.
            outcome = ca.submit(asked)
        if isinstance(outcome, Exception):
            unknown[asked.reference] = f"{outcome.kind}: {outcome.message} {outcome.remedy}"
            continue
        roomy.tick.__self__.lifecycle.approve(roomy.tick.__self__.book.orders[-1])
        issued = finish(ca, outcome, asked, clock)
        assert isinstance(issued, Issued)
        assert spki_of(issued.leaf) == asked.spki_sha256
    made = roomy.ledger.orders_by_csr()
    assert max(made.values()) == 1
    assert set(made) <= {csr_sha256(a) for a in everything}
    # Whatever stays open is listed with its reason and what a person can do.
    assert all("enter its number" in reason for reason in unknown.values())
    # V1 shows the request of every order, so nothing stays open there; V2 shows none before the certificate.
    assert bool(unknown) is (way == "v2")
    assert len(made) + len(unknown) >= size


@pytest.mark.parametrize("size", SIZES)
def test_acme_orders_whose_answers_are_lost_are_never_ordered_twice(roomy, clock, size):
    dice = random.Random(11)
    ca = connect(roomy, clock)
    finish(ca, ca.submit(first := request("first.example.com", reference="first")), first, clock)
    everything, opened_again = [first], 0
    for n in range(size):
        asked = request(f"h{n}.example.com", key=dice.choice(KEYS), at=clock.now(), reference=f"acme-{n}")
        everything.append(asked)
        roomy.dials.reset()
        roomy.dials.set(
            fail_next=1, fail_next_with=dice.choice(LOSSES), fail_next_path=dice.choice(["new-order", "finalize"])
        )
        outcome = None
        for _ in range(8):
            try:
                outcome = ca.submit(asked) if outcome is None else ca.poll(outcome.state, asked)
            except (OutcomeUnknown, ProtocolViolation, Unreachable, Throttled) as error:
                # As the engine does: a lost opening is harmless and opened again, a lost look is looked at again.
                opened_again += outcome is None
                assert outcome is not None or not error.bytes_sent
            if isinstance(outcome, Issued):
                break
            clock.advance(outcome.next_check if isinstance(outcome, Pending) else timedelta(seconds=30))
        assert isinstance(outcome, Issued), asked.reference
        assert spki_of(outcome.leaf) == asked.spki_sha256
    assert roomy.ledger.orders_by_csr() == Counter(csr_sha256(a) for a in everything)
    assert opened_again > 0


def test_the_clock_of_these_runs_is_the_tests_own(clock):
    assert isinstance(clock, ManualClock)
    assert clock.now() == START
