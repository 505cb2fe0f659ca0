"""The conformance suite: what an author of an authority subclasses to show that the engine can rely on it.

    class TestMine(Conformance):
        authority = Mine

        @contextmanager
        def case(self):
            clock = ManualClock(START)
            with my_simulator(clock) as simulator:
                yield Case(
                    config={"token": "..."},
                    base_url=simulator.url,
                    ordered=lambda reference: ...,
                    clock=clock,
                )

Run it with pytest. `Case` says what each part is for. Everything that can go wrong between the authority and its CA the
suite plays by itself, on a line of its own; a fault inside the CA that the simulator cannot play is skipped, and named.
"""

from chancery.core.clock import ManualClock
from chancery.sdk.testing.case import START, Case, Fault
from chancery.sdk.testing.suite import Conformance

__all__ = ["START", "Case", "Conformance", "Fault", "ManualClock"]
