"""The contract, against the simulated CERTInext over real HTTP, once for each transport."""

from contextlib import contextmanager
from datetime import timedelta

from chancery.authorities.emsign.authority import EmSign
from chancery.authorities.emsign.simulator import build
from chancery.authorities.emsign.tests.stand import product, settings
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock

TERM = timedelta(days=199)
PLAYED = PLAYABLE - {Fault.GARBLES, Fault.HUGE}
"""Those two the suite plays on its own line: here they would spoil the login before any order."""


class Suite(Conformance):
    authority = EmSign
    transport = "v2"

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with build(clock=clock) as simulator:
            yield Case(
                config=settings(simulator, self.transport),
                profile=product(),
                base_url=simulator.url,
                secrets=("sandbox-access-token-",),
                play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
                playable=PLAYED,
                ordered=lambda reference: number(simulator, reference),
                clock=clock,
                validity=TERM,
            )


class TestV2(Suite):
    transport = "v2"


class TestV1(Suite):
    transport = "v1"


del Suite, Conformance


def number(simulator, reference):
    """Count by the ledger; the connector writes a word of its own before our reference."""
    return sum(n for told, n in simulator.ledger.orders_by_reference().items() if told.endswith(reference))
