"""The contract, against the EST server beside the client, over real HTTP; once for each kind of server."""

from contextlib import contextmanager
from datetime import timedelta

from chancery.protocols.est.simulator import PASSWORD, USER, build
from chancery.protocols.est.tests.probe import Probe, Remembering, seen
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock

# Garbage and far too much are put on the line by the suite: on every answer, also to questions, they are no loss.
PLAYED = PLAYABLE - {Fault.GARBLES, Fault.HUGE}


@contextmanager
def account(**dials):
    clock = ManualClock(START)
    with build(clock=clock) as simulator:
        simulator.dials.set(**dials)
        reset = simulator.dials.reset
        simulator.dials.reset = lambda: (reset(), simulator.dials.set(**dials))

        def ordered(reference):
            return simulator.ledger.orders_by_csr()[seen.get(reference, "")]

        yield Case(
            config={"user": USER, "password": PASSWORD},
            base_url=simulator.url,
            play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
            playable=PLAYED,
            ordered=ordered,
            clock=clock,
            validity=timedelta(days=30),
        )


class TestEst(Conformance):
    authority = Probe

    def case(self):
        return account()


class TestRememberingEst(Conformance):
    authority = Remembering

    def case(self):
        return account(remembers=True)
