"""The burst limit that was seen on the sandbox: about sixteen orders in ten seconds."""

from __future__ import annotations

import threading
from collections import deque

from chancery.core.clock import Clock

BURST: tuple[float, int] = (10.0, 16)
"""(seconds, orders)"""


class Limiter:
    """Counts orders of the account in a rolling window."""

    def __init__(self, clock: Clock, limit: tuple[float, int] = BURST) -> None:
        self._clock, (self._seconds, self._most) = clock, limit
        self._seen: deque[float] = deque()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Count one order and say whether it is within the limit."""
        now = self._clock.monotonic()
        with self._lock:
            while self._seen and self._seen[0] <= now - self._seconds:
                self._seen.popleft()
            if len(self._seen) >= self._most:
                return False
            self._seen.append(now)
            return True
