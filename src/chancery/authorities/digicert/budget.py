"""What may be sent with one API key: DigiCert counts requests per key in two rolling windows (B1).

One budget is shared by everything in this process that uses the same key at the same address, whichever connector it
is for; workers in other processes have their own. What is urgent (revoke, cancel) may use a little more of each window,
what can wait (reading the account's lists) a little less.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import deque

from chancery.core.clock import Clock
from chancery.core.secret import Secret

Windows = tuple[tuple[float, int], ...]
"""(seconds, requests that we may send in them)."""

SHARES = {"urgent": 95 / 80, "usual": 1.0, "idle": 0.6}
"""Of our own share, which is 80 % of DigiCert's limits (B12): 95 % of these for what cannot wait, and less for what can:
an inventory never keeps an order waiting."""
_MEMORY = 180.0
_FIRST_PAUSE = 5.0
_LEAST = 0.05


class Budget:
    """Counts requests, and how often the CA refused one; safe between threads."""

    def __init__(self, clock: Clock, windows: Windows) -> None:
        self._clock, self._windows = clock, windows
        self._sent: deque[float] = deque()
        self._refused: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self, need: str = "usual") -> float:
        """Count one request and return 0, or return the seconds until one is free and count nothing."""
        share = SHARES[need]
        with self._lock:
            now = self._clock.monotonic()
            _forget(self._sent, now - max(seconds for seconds, _ in self._windows))
            wait = max(self._wait(now, seconds, max(1, int(most * share))) for seconds, most in self._windows)
            if wait <= 0:
                self._sent.append(now)
            return wait

    def pause(self) -> float:
        """Return the seconds to wait after a 429 without Retry-After: 5, and twice as long for each of the last ones.

        The short window drains in five seconds, the long one in three minutes.
        """
        with self._lock:
            now = self._clock.monotonic()
            _forget(self._refused, now - _MEMORY)
            self._refused.append(now)
            return float(min(_MEMORY, _FIRST_PAUSE * 2 ** min(len(self._refused) - 1, 10)))

    def _wait(self, now: float, seconds: float, most: int) -> float:
        if len(self._sent) < most:
            return 0.0
        # The request that is `most` back must leave the window before another one fits in.
        left = self._sent[-most] + seconds - now
        return max(left, _LEAST) if left > 0 else 0.0


_budgets: weakref.WeakKeyDictionary[Clock, dict[str, Budget]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def budget_of(clock: Clock, address: str, key: Secret, windows: Windows) -> Budget:
    """Return the budget of a key at an address."""
    name = hashlib.sha256(f"{address}\n{key.reveal()}\n{windows}".encode()).hexdigest()
    with _lock:
        of_clock = _budgets.setdefault(clock, {})
        if name not in of_clock:
            of_clock[name] = Budget(clock, windows)
        return of_clock[name]


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()
