"""Groups orders that arrive one by one into one commit, which is what makes them fast.

The first request of a group waits for nobody: it commits at once, and what arrives meanwhile forms the
next group. So a lone request pays nothing, and under load the commit is shared: where the last group had several, this one
waits a moment for as many.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future

from django.db import close_old_connections, connections

from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place_mixed
from chancery.apps.shared.actor import Actor
from chancery.core.errors import ChanceryError

MOST = 100
_PATIENCE = 0.005
"""Seconds that a group waits for as many as the one before it had; a commit costs about as much."""
Item = tuple[Actor, PlaceOrder, "Future[Order]"]


class Grouper:
    """One writer thread per process."""

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def place(self, actor: Actor, ask: PlaceOrder) -> Order:
        """Place one order as part of the next group; returns when it is committed."""
        future: Future[Order] = Future()
        # Under the lock, so that no request is put behind the word that ends the thread, where nobody reads it.
        with self._start:
            self._ensure()
            self._items.put((actor, ask, future))
        return future.result()

    def _ensure(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="placer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        expected = 1
        while (first := self._items.get()) is not None:
            group = self._group(first, expected)
            expected = len(group)
            self._commit(group)
        connections.close_all()

    def _group(self, first: Item, expected: int) -> list[Item]:
        """Take what is there after `first`, and wait a little for what is likely to come."""
        group, until = [first], time.monotonic() + _PATIENCE
        while len(group) < MOST:
            patience = until - time.monotonic() if len(group) < expected else 0
            try:
                more = self._items.get(timeout=max(0, patience))
            except queue.Empty:
                break
            if more is None:
                self._items.put(None)
                break
            group.append(more)
        return group

    def close(self) -> None:
        """Let the thread finish what it has and end; the next request starts a fresh one."""
        with self._start:
            if self._thread is not None:
                self._items.put(None)
                self._thread.join()
                self._thread = None

    def _commit(self, group: list[Item]) -> None:
        try:
            close_old_connections()
            results = place_mixed([(actor, ask) for actor, ask, _ in group])
        except Exception as error:
            if len(group) == 1:
                group[0][2].set_exception(error)
                return
            # Nothing was stored. One by one tells whose request it was; the others are not to suffer for it.
            for item in group:
                self._commit([item])
            return
        for (*_, future), result in zip(group, results, strict=True):
            if isinstance(result, ChanceryError):
                future.set_exception(result)
            else:
                future.set_result(result)


_GROUPER = Grouper()


def place_grouped(actor: Actor, ask: PlaceOrder) -> Order:
    """Place one order, sharing its commit with others of this process."""
    return _GROUPER.place(actor, ask)


def close() -> None:
    """End this process's writer thread and its connection."""
    _GROUPER.close()
