"""The conformance suite: what an author of an authority subclasses to show that the engine can rely on it.

    class TestMine(Conformance):
        authority = Mine

        @contextmanager
        def case(self):
            with my_simulator() as simulator:
                yield Case(config={...}, profile={...}, base_url=simulator.url, play=..., playable=...)

`Case` says what each part is for. A fault that the simulator cannot play is skipped, and named.
"""

from chancery.sdk.testing.case import Case, Fault
from chancery.sdk.testing.suite import Conformance

__all__ = ["Case", "Conformance", "Fault"]
