"""Holds the answer to a finalize until the certificate is there, for as long as a client likes to wait.

One thread looks for all requests that wait, so a hundred of them cost what one does. Only so many may wait at once: the
others are told to come back, and other requests find a free thread of the server.
"""

from __future__ import annotations

import threading
from uuid import UUID

from django.db import OperationalError, close_old_connections, connections

from chancery.apps.orders.models import Order
from chancery.apps.shared.returning import joined, one_of
from chancery.core.order import ENDS, FOR_PEOPLE

SECONDS = 10.0
PLACES = 24
_STEP = 0.02
_OVER = ENDS | FOR_PEOPLE


class Waiting:
    """One per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = threading.Condition(self._lock)
        self._events: dict[UUID, list[threading.Event]] = {}
        self._thread: threading.Thread | None = None
        self._ended = False

    def wait(self, order: UUID, seconds: float) -> bool:
        """Wait until an order needs no more waiting for; says whether there was a place to wait at."""
        event = threading.Event()
        with self._asked:
            if sum(map(len, self._events.values())) >= PLACES:
                return False
            self._events.setdefault(order, []).append(event)
            self._ensure()
            self._asked.notify()
        event.wait(seconds)
        with self._lock:
            left = self._events.get(order, [])
            if event in left:
                left.remove(event)
            if not left:
                self._events.pop(order, None)
        return True

    def close(self) -> None:
        """End the thread; whoever waits is let go."""
        with self._asked:
            self._ended = True
            thread, self._thread = self._thread, None
            self._asked.notify()
        if thread is not None:
            thread.join()
        self._ended = False

    def _ensure(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="acme-waiting", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._ended:
            with self._asked:
                while not self._events and not self._ended:
                    self._asked.wait()
                wanted = list(self._events)
            over = self._over(wanted)
            with self._lock:
                for ident in over:
                    for event in self._events.pop(ident, []):
                        event.set()
            threading.Event().wait(_STEP)
        with self._lock:
            for events in self._events.values():
                for event in events:
                    event.set()
            self._events.clear()
        connections.close_all()

    @staticmethod
    def _over(wanted: list[UUID]) -> list[UUID]:
        try:
            close_old_connections()
            some, values = one_of(wanted)
            rows = joined([(Order, ("id", "state"))], f"FROM orders_order WHERE id {some}", values)
            return [order.pk for (order,) in rows if order.state in _OVER]
        except OperationalError:
            # Looked at again in a moment; whoever waits is let go in the end anyway.
            return []


_WAITING = Waiting()


def wait(order: UUID) -> bool:
    """Wait for an order, as one of this process's requests."""
    return _WAITING.wait(order, SECONDS)


def close() -> None:
    """End this process's thread."""
    _WAITING.close()
