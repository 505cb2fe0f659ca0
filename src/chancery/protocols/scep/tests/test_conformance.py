"""The contract, against the SCEP server beside the client, over real HTTP; once for each way to settle a lost answer."""

from contextlib import contextmanager
from datetime import timedelta

import pytest

from chancery.protocols.scep import identity
from chancery.protocols.scep.identity import fresh_key
from chancery.protocols.scep.simulator import build
from chancery.protocols.scep.tests.probe import Finding, Forgetting, Returning
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock

# Garbage and far too much are put on the line by the suite: on every answer, also to questions, they are no loss.
# SCEP has no login that a CA could refuse; a proxy's 401 is put on the line as well.
PLAYED = PLAYABLE - {Fault.GARBLES, Fault.HUGE, Fault.REFUSES_LOGIN}
KEY = fresh_key().reveal()


READ, KNOWN = identity._key, {}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Read each key once: the library checks RSA keys for longer than everything else here takes."""

    def read(text):
        if text.reveal() not in KNOWN:
            KNOWN[text.reveal()] = READ(text)
        return KNOWN[text.reveal()]

    monkeypatch.setattr(identity, "_key", read)


@contextmanager
def account(*, registered=False, **dials):
    clock = ManualClock(START)
    with build(clock=clock) as simulator:
        simulator.dials.set(**dials)
        reset = simulator.dials.reset
        simulator.dials.reset = lambda: (reset(), simulator.dials.set(**dials))
        config = {"service": "open", "transport_key": KEY}
        if registered:
            known = simulator.credentials
            config = {"service": "registration", "transport_key": known["key"], "certificate": known["certificate"]}
        yield Case(
            config=config,
            base_url=simulator.url,
            play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
            playable=PLAYED,
            ordered=lambda reference: simulator.ledger.orders_by_reference()[reference],
            clock=clock,
            validity=timedelta(days=30),
        )


class TestForgettingScep(Conformance):
    authority = Forgetting

    def case(self):
        return account(forgets=False, ra="one")


class TestReturningScep(Conformance):
    authority = Returning

    def case(self):
        return account(registered=True, ra="two")


class TestFindingScep(Conformance):
    authority = Finding

    def case(self):
        return account(caps="get_only", ca_chain=True)
