"""Groups work that arrives piece by piece into one commit, which is what makes it fast.

The first piece of a group waits for nobody: it commits at once, and what arrives meanwhile forms the next group. So a
lone request pays nothing, and under load the commit is shared: where the last group had several, this one waits a moment
for as many.

What is waited for goes the same way: a piece that is not yet done is looked at again with the next group.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from enum import Enum
from typing import Generic, Literal, TypeAlias, TypeVar

from django.db import close_old_connections, connections

from chancery.core.errors import ChanceryError

A = TypeVar("A")
R = TypeVar("R")
MOST = 100
_PATIENCE = 0.005
"""Seconds that a group waits for as many as the one before it had; a commit costs about as much."""


class _Later(Enum):
    LATER = "later"


LATER = _Later.LATER
"""Instead of a result: this piece belongs to a later group as well."""
Result: TypeAlias = R | ChanceryError | Literal[_Later.LATER]


class Grouped(Generic[A, R]):
    """One writer thread per process. `work` does a group in one transaction and has a result or refusal for each piece.

    `pause` is the seconds after which pieces that are to come later come once more.
    """

    def __init__(self, name: str, work: Callable[[Sequence[A]], Sequence[Result[R]]], pause: float = 0.02) -> None:
        self._name, self._work, self._pause = name, work, pause
        self._items: queue.SimpleQueue[tuple[A, Future[R]] | None] = queue.SimpleQueue()
        self._later: list[tuple[A, Future[R]]] = []
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, piece: A) -> R:
        """Do one piece as part of the next group; returns when it is committed."""
        return self._put(piece).result()

    def wait(self, piece: A, seconds: float) -> R | None:
        """Return the result when a piece is done; None after so many seconds, or when this ends."""
        future = self._put(piece)
        with suppress(TimeoutError, CancelledError):
            return future.result(seconds)
        future.cancel()
        return None

    def _put(self, piece: A) -> Future[R]:
        future: Future[R] = Future()
        # Under the lock, so that no request is put behind the word that ends the thread, where nobody reads it.
        with self._start:
            self._ensure()
            self._items.put((piece, future))
        return future

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
            self._once_more()
        while not self._items.empty():
            # Behind the word that ends the thread stands only what was to come later.
            self._items.get()[1].cancel()  # type: ignore[index]  # the word itself has been taken
        connections.close_all()

    def _once_more(self) -> None:
        """Let pieces that are not done come again, after a pause; whoever gave up is forgotten."""
        later, self._later = self._later, []
        if later:
            time.sleep(self._pause)
        for item in later:
            if not item[1].cancelled():
                self._items.put(item)

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
        for (piece, future), result in zip(group, results, strict=True):
            # Who waited for it may have given up at this very moment.
            with suppress(InvalidStateError):
                if result is LATER:
                    self._later.append((piece, future))
                elif isinstance(result, ChanceryError):
                    future.set_exception(result)
                else:
                    future.set_result(result)
