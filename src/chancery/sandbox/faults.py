"""Plays the conformance suite's faults on a simulator of this sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from chancery.sandbox.frame import Simulator
from chancery.sdk.testing import Fault

_FOR_LONG = 3600.0
_DIALS: dict[Fault, dict[str, Any]] = {
    Fault.HOLDS: {"issue_delay": _FOR_LONG},
    Fault.REJECTS: {"reject": True},
    Fault.THROTTLES: {"throttle": True},
    Fault.FAILS_BEFORE: {"error_page": 1.0},
    Fault.LOSES_ANSWER: {"fail_after": 1.0},
    Fault.DROPS: {"fail_before": 1.0},
    Fault.GARBLES: {"garbled": 1.0},
    Fault.HUGE: {"huge": True},
    Fault.REFUSES_LOGIN: {"refuse_key": True},
    Fault.WRONG_KEY: {"wrong_key": True},
    Fault.WRONG_NAME: {"wrong_name": True},
    Fault.SHUFFLES_CHAIN: {"chain": "shuffled"},
    Fault.OMITS_CHAIN: {"chain": "missing"},
}
PLAYABLE = frozenset({*_DIALS, Fault.DOWN})
"""Every fault: the dials are common to all simulators here."""


def player(simulator: Simulator, push: Callable[[float], None]) -> Callable[[Fault], AbstractContextManager[None]]:
    """Return what keeps a fault up on this simulator. `push` lets seconds pass, for what was held to come free."""

    @contextmanager
    def play(fault: Fault) -> Iterator[None]:
        if fault is Fault.DOWN:
            simulator.down()
        else:
            simulator.dials.set(**_DIALS[fault])
        try:
            yield
        finally:
            simulator.up()
            simulator.dials.reset()
            if fault is Fault.HOLDS:
                push(_FOR_LONG)

    return play
