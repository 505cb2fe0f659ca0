"""How long to wait after "Inactive Account User.": the words of a burst limit, and of an account that was disabled.

A limit passes within seconds; what goes on for longer without one success is taken for the account itself.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from chancery.core.clock import Clock

_FIRST, _MOST = timedelta(seconds=10), timedelta(minutes=2)
_DOUBLINGS = 4
ENOUGH = timedelta(minutes=15)
"""After so long, and so many refusals in a row, it is no burst limit any more."""
TRIES = 5


class Patience:
    """Counts refusals in a row; safe between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: datetime | None = None
        self._refusals = 0
        self._lock = threading.Lock()

    def over(self) -> None:
        """Take note of a success."""
        with self._lock:
            self._since, self._refusals = None, 0

    def until(self) -> datetime | None:
        """Take note of a refusal and return until when to wait; None where waiting does not help any more."""
        with self._lock:
            now = self._clock.now()
            self._since = self._since or now
            self._refusals += 1
            if self._refusals > TRIES and now - self._since >= ENOUGH:
                return None
            return now + min(_MOST, _FIRST * (1 << min(self._refusals - 1, _DOUBLINGS)))
