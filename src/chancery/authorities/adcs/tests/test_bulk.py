"""Many orders whose answers are lost, by seed: the CA's ledger has each once, and what stays open is listed with its reason.

The short runs are always made; the full thousand with `--long`.
"""

import hashlib
import random
from collections import Counter
from datetime import timedelta

import pytest

from chancery.authorities.adcs.tests.stand import DAY, request, standing
from chancery.core import keys
from chancery.core.certificate import spki_of
from chancery.sdk.errors import AuthorityError, OutcomeUnknown, ProtocolViolation
from chancery.sdk.outcome import Absence, Found, Issued

KEYS = [keys.generate("EC-P256") for _ in range(16)]
SEED = 20261123
MANY = 1000
SIZES = [pytest.param(20, id="20"), pytest.param(MANY, marks=pytest.mark.long, id="1000")]
LOSSES = ("lose", "error", "half", "garbled")
"""The CA has the order; its answer is dropped, replaced by an error, cut, or garbled."""


def settle(connector, stand, asked):
    """Do as the engine does after a lost answer: search, never send again; returns how it stands, or why that is open."""
    found = None
    for _ in range(connector.facts.search_tries):
        stand.clock.advance(connector.facts.search_lag + timedelta(seconds=1))
        try:
            found = connector.find(asked, asked.intended_at - DAY)
        except AuthorityError as error:
            found = error
        if isinstance(found, Found):
            return found.outcome
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("search_from", [3, 0], ids=["searched", "left to a person"])
def test_orders_whose_answer_is_lost_are_never_ordered_twice(size, search_from, result):
    dice = random.Random(SEED)
    with standing() as stand:
        connector = stand.connector(search_from=search_from)
        everything, settled, unknown = [], {}, {}
        for n in range(size):
            # Every certificate lets the search stop at what is older; the CA keeps its ids from before.
            stand.clock.advance(timedelta(hours=23))
            asked = request(f"h{n}.example.com", key=KEYS[n % 16], at=stand.clock.now(), reference=f"lost-{n}")
            everything.append(asked)
            stand.simulator.dials.reset()
            slow = dice.random() < 0.1
            stand.turn(fail_next=1, fail_next_with=dice.choice(LOSSES), fail_next_path="certfnsh", needs_approval=slow)
            with pytest.raises((OutcomeUnknown, ProtocolViolation)) as lost:
                connector.submit(asked)
            assert lost.value.bytes_sent
            outcome = settle(connector, stand, asked)
            assert not isinstance(outcome, Absence), "the CA has it: to call it absent would order it twice"
            if isinstance(outcome, Exception):
                unknown[asked.reference] = f"{outcome.kind}: {outcome.message} {outcome.remedy}"
            else:
                settled[asked.reference] = outcome
                assert isinstance(outcome, Issued)
                assert spki_of(outcome.leaf) == asked.spki_sha256
        ledger = stand.simulator.ledger
        assert ledger.orders_by_csr() == Counter(hashlib.sha256(a.csr).hexdigest() for a in everything)
        assert ledger.orders_by_reference() == Counter(a.reference for a in everything)
    assert len(ledger.lines("order")) == size
    assert settled.keys() | unknown.keys() == {a.reference for a in everything}
    # Whatever stays open is listed with its reason and what a person can do.
    assert all("enter its id" in reason.lower() or "Enter the request's id" in reason for reason in unknown.values())
    assert bool(settled) is bool(search_from)
    waiting = (
        "some wait for the CA's manager, and a waiting request shows no key" if search_from else "no search is set up"
    )
    why = f" ({waiting}: a person enters the request's id)" if unknown else ""
    of = f"of {size} at AD CS by Web Enrollment, each with its answer lost: {len(settled)} settled, {len(unknown)} open{why}"
    print(f"0 orders doubled {of}")
    if size == MANY:
        result(
            "R7", 0, f"doubled {of}", SEED, part="adcs-certsrv" if settled else "adcs-certsrv-unsearched", database="–"
        )


def test_an_order_that_never_reached_the_ca_is_sent_again_and_is_there_once():
    with standing() as stand:
        connector = stand.connector(search_from=3)
        asked = request(at=stand.clock.now())
        stand.turn(fail_next=1, fail_next_with="drop", fail_next_path="certfnsh")
        with pytest.raises(OutcomeUnknown):
            connector.submit(asked)
        assert isinstance(settle(connector, stand, asked), Absence)
        assert isinstance(stand.finish(connector, connector.submit(asked), asked), Issued)
        assert stand.orders == 1
