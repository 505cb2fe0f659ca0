"""A clock that a person or a test can push ahead, on top of another one."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from chancery.core.clock import Clock


class ShiftedClock:
    """The simulated CA's time: that of `base`, and what it was pushed ahead since."""

    def __init__(self, base: Clock) -> None:
        self._base, self._ahead = base, 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the wall time as an aware UTC datetime."""
        return self._base.now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return self._base.monotonic() + self._ahead

    def push(self, seconds: float) -> None:
        """Let `seconds` pass at once; raises `ValueError` for less than none."""
        if not 0 <= seconds < float("inf"):
            raise ValueError("time only runs forward")
        with self._lock:
            self._ahead += seconds
