"""A thousand orders that DigiCert takes and whose answers are lost: the ledger has each once, and what stays open is told.

A short run is always made; the full thousand with `--long`.
"""

import hashlib
import random
from collections import Counter
from copy import copy
from datetime import timedelta

import pytest

from chancery.authorities.digicert.tests.stand import approve, close, connector, request
from chancery.core import keys
from chancery.core.certificate import spki_of
from chancery.sdk.errors import OutcomeUnknown, ProtocolViolation
from chancery.sdk.outcome import Found, Issued, Pending

KEYS = [keys.generate("EC-P256") for _ in range(16)]
SEED = 20261125
MANY = 1000
SIZES = [pytest.param(60, id="60"), pytest.param(MANY, marks=pytest.mark.long, id="1000")]
LOSSES = ("lose", "error", "half", "garbled")
"""The order is there each time: the connection ends, a 500 page comes, or an answer that cannot be read."""
DAY = timedelta(days=1)
FOREIGN = request("crowded.example.com")


def csr_sha256(asked):
    return hashlib.sha256(asked.csr).hexdigest()


def settle(ca, asked, clock):
    """Do as the engine does after a lost answer: search, never send again. Returns how it stands, or why that is open."""
    for _ in range(ca.facts.search_tries):
        clock.advance(ca.facts.search_lag + timedelta(seconds=1))
        try:
            found = ca.find(asked, asked.intended_at - DAY)
        except (OutcomeUnknown, ProtocolViolation) as error:
            return error
        if isinstance(found, Found):
            return found.outcome
    return found


def finish(ca, sim, clock, outcome, asked):
    """Follow it to its certificate, with whoever has to approve it."""
    for _ in range(20):
        if isinstance(outcome, Issued):
            return outcome
        assert isinstance(outcome, Pending)
        approve(sim, clock, "new_request")
        clock.advance(outcome.next_check)
        outcome = ca.poll(outcome.state, asked)
    raise AssertionError(outcome)


def crowd(sim, clock, name, many=60):
    """Let other people order for the same name just after us, without a word of ours and for other keys."""
    book = sim.tick.__self__._book
    first = next(iter(book.orders.values()))
    for number in range(many):
        twin = copy(first)
        twin.id, twin.names, twin.requests, twin.created = 5_000_000 + number, [name], [], clock.now()
        asked = {**first.body["certificate"], "csr": FOREIGN.csr_pem}
        twin.body, twin.certificates = {**first.body, "custom_fields": [], "certificate": asked}, []
        book.orders[twin.id] = twin


@pytest.mark.parametrize("size", SIZES)
def test_every_order_whose_answer_is_lost_is_there_once_and_what_stays_open_is_listed(sim, clock, size, result):
    dice = random.Random(SEED)
    marked = connector(sim, clock, rate_percent=95)
    bare = connector(sim, clock, rate_percent=95, reference_field_id="", skip_approval=False)
    everything, unsettled = [], {}
    for n in range(size):
        # Some accounts have no field for our reference, some need an approver, some show new orders late; and one
        # name has more orders of other people than can be looked at.
        ca, name = dice.choice(
            [(marked, f"h{n}.example.com"), (bare, f"h{n}.example.com"), (marked, "same.example.com")]
        )
        if n % 12 == 11:
            ca, name = bare, "crowded.example.com"
        asked = request(name, key=dice.choice(KEYS), at=clock.now(), reference=f"lost-{n}")
        everything.append(asked)
        late = dice.choice([0, 0, 90])
        sim.dials.set(
            fail_next=1, fail_next_with=dice.choice(LOSSES), fail_next_path="POST /services/v2/order", slow_index=late
        )
        with pytest.raises((OutcomeUnknown, ProtocolViolation)) as lost:
            ca.submit(asked)
        assert lost.value.bytes_sent
        if name.startswith("crowded"):
            clock.advance(timedelta(seconds=1))
            crowd(sim, clock, name)
        outcome = settle(ca, asked, clock)
        if isinstance(outcome, Exception):
            unsettled[asked.reference] = f"{outcome.code}: {outcome.message} {outcome.remedy}"
            continue
        assert spki_of(finish(ca, sim, clock, outcome, asked).leaf) == asked.spki_sha256
    made = sim.ledger.orders_by_csr()
    assert made == Counter(csr_sha256(a) for a in everything)
    assert len(made) == size
    assert set(unsettled) == {f"lost-{n}" for n in range(size) if n % 12 == 11}
    assert all("carry no reference" in why and "enter its number" in why for why in unsettled.values())
    print(
        f"\n{len(made)} orders at the CA for {size} asked for; {size - len(unsettled)} settled, {len(unsettled)} open:"
    )
    of = f"doubled of {size} at DigiCert, each with its answer lost: {size - len(unsettled)} settled, {len(unsettled)} open"
    why = "more orders of other people for the name than can be looked at, and no field for a reference"
    if size == MANY:
        result("R7", 0, f"{of} ({why})", SEED, part="digicert", database="–")
    print("\n".join(f"  {reference}  {why}" for reference, why in unsettled.items()))
    # What stays open is settled by a person who names it.
    last = next(a for a in reversed(everything) if a.reference in unsettled)
    number = next(line.order for line in sim.ledger.lines("order") if line.csr_sha256 == csr_sha256(last))
    assert isinstance(finish(bare, sim, clock, bare.adopt(number, last).outcome, last), Issued)
    close()
