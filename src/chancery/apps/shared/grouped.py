"""Groups work that arrives piece by piece into one commit, which is what makes it fast.

The first piece of a group waits for nobody: it commits at once, and what arrives meanwhile forms the next group. So a
lone request pays nothing, and under load the commit is shared: where the last group had several, this one waits a moment
for as many.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import close_old_connections, connections

from chancery.core.errors import ChanceryError

A = TypeVar("A")
R = TypeVar("R")
MOST = 100
_PATIENCE = 0.005
"""Seconds that a group waits for as many as the one before it had; a commit costs about as much."""


class Grouped(Generic[A, R]):
    """One writer thread per process. `work` does a group in one transaction and has a result or refusal for each piece."""

    def __init__(self, name: str, work: Callable[[Sequence[A]], Sequence[R | ChanceryError]]) -> None:
        self._name, self._work = name, work
        self._items: queue.SimpleQueue[tuple[A, Future[R]] | None] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, piece: A) -> R:
        """Do one piece as part of the next group; returns when it is committed."""
        future: Future[R] = Future()
        # Under the lock, so that no request is put behind the word that ends the thread, where nobody reads it.
        with self._start:
            self._ensure()
            self._items.put((piece, future))
        return future.result()

    def close(self) -> None:
        """Let the thread finish what it has and end; the next request starts a fresh one."""
        with self._start:
            if self._thread is not None:
                self._items.put(None)
                self._thread.join()
                self._thread = None

    def _ensure(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        expected = 1
        while (first := self._items.get()) is not None:
            group = self._group(first, expected)
            expected = len(group)
            self._commit(group)
        connections.close_all()

    def _group(self, first: tuple[A, Future[R]], expected: int) -> list[tuple[A, Future[R]]]:
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

    def _commit(self, group: list[tuple[A, Future[R]]]) -> None:
        try:
            close_old_connections()
            results = self._work([piece for piece, _ in group])
        except Exception as error:
            if len(group) == 1:
                group[0][1].set_exception(error)
                return
            # Nothing was stored. One by one tells whose request it was; the others are not to suffer for it.
            for item in group:
                self._commit([item])
            return
        for (_, future), result in zip(group, results, strict=True):
            if isinstance(result, ChanceryError):
                future.set_exception(result)
            else:
                future.set_result(result)
