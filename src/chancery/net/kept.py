"""Connections that are kept for the next call, each for one call at a time.

A pool of the library's asks all its connections, twice for each call, whether their server has closed them: with 64 of
them that was most of what a call costs. So each connection is a pool of one, and whoever calls takes the one that was
used last: what is too many for the calls there are gets old at the other end, and is closed.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpcore

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.net.url import Url

KEEP_ALIVE = 15.0
"""Seconds that a connection is kept without a call."""
_MOST = 64
"""So many are kept of each host."""
_Waiting = deque[tuple[float, httpcore.ConnectionPool]]


class Kept:
    """What waits, per scheme, host and port. Safe to share between threads; `make` gives a pool of one connection."""

    def __init__(self, make: Callable[[], httpcore.ConnectionPool], clock: Clock = SYSTEM_CLOCK) -> None:
        self._make, self._clock = make, clock
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str, int], _Waiting] = defaultdict(deque)
        self._closed = False

    @contextmanager
    def one(self, url: Url) -> Iterator[httpcore.ConnectionPool]:
        """Give a connection to the place of `url`, a new one where none waits, and keep it afterwards.

        One whose call failed is closed: what state it is in, such as of a tunnel half made, nobody can say.
        """
        place = (url.scheme, url.host, url.port)
        with self._lock:
            waiting = self._waiting[place]
            pool = waiting.pop()[1] if waiting else None
        pool = pool or self._make()
        try:
            yield pool
        except BaseException:
            pool.close()
            raise
        for each in self._back(waiting, pool):
            each.close()

    def _back(self, waiting: _Waiting, pool: httpcore.ConnectionPool) -> list[httpcore.ConnectionPool]:
        """Keep a connection; returns those to be closed."""
        now = self._clock.monotonic()
        with self._lock:
            if self._closed:
                return [pool]
            waiting.append((now, pool))
            surplus = []
            while len(waiting) > _MOST or waiting[0][0] < now - KEEP_ALIVE:
                surplus.append(waiting.popleft()[1])
        return surplus

    def close(self) -> None:
        """Close what waits, and what is under way as soon as its call is over."""
        with self._lock:
            self._closed = True
            waiting = [pool for each in self._waiting.values() for _, pool in each]
            self._waiting.clear()
        for pool in waiting:
            pool.close()
