"""Both documented rate limits, as rolling windows per key (B1)."""

from __future__ import annotations

import threading
from collections import deque

from chancery.core.clock import Clock

LIMITS: tuple[tuple[float, int], ...] = ((5.0, 100), (180.0, 1000))
"""(seconds, requests)"""


class Limiter:
    """Counts requests of one key."""

    def __init__(self, clock: Clock, limits: tuple[tuple[float, int], ...] = LIMITS) -> None:
        self._clock, self._limits = clock, limits
        self._seen: deque[float] = deque()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Count one request and say whether it is within all limits."""
        now = self._clock.monotonic()
        with self._lock:
            longest = max((seconds for seconds, _ in self._limits), default=0.0)
            while self._seen and self._seen[0] <= now - longest:
                self._seen.popleft()
            for seconds, most in self._limits:
                if sum(1 for at in self._seen if at > now - seconds) >= most:
                    return False
            self._seen.append(now)
            return True
