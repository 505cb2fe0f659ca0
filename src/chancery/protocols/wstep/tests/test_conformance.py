"""The contract, against the simulated web services, over real HTTP."""

from contextlib import contextmanager
from datetime import timedelta

from chancery.protocols.wstep.simulator import PASSWORD, USER, build
from chancery.protocols.wstep.tests.probe import Probe, seen
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock

# Garbage and far too much are put on the line by the suite: on every answer, also to questions, they are no loss.
PLAYED = PLAYABLE - {Fault.GARBLES, Fault.HUGE}


class TestWstep(Conformance):
    authority = Probe

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with build(clock=clock) as simulator:
            yield Case(
                config={"user": USER, "password": PASSWORD},
                base_url=simulator.url,
                play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
                playable=PLAYED,
                ordered=lambda reference: simulator.ledger.orders_by_csr()[seen.get(reference, "")],
                clock=clock,
                validity=timedelta(days=30),
            )
