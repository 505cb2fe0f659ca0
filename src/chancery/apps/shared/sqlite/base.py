"""Django's SQLite backend, except that a transaction takes its turn at a lock file before it begins.

SQLite itself lets a waiting writer sleep for up to 100 ms between two looks. Beside an engine that writes most of the time,
and pauses for a few milliseconds only, such a sleeper hardly ever looks at the right moment. Whoever waits holds a share of
a second lock file, and the engine, before it takes its turn, lets those go first for whom nobody else would make room.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

_Base: Any = base.DatabaseWrapper  # the types for Django leave out what a backend may override
_STEP = 0.002
"""Seconds between two looks; the engine's pause between its transactions is longer."""
_PATIENCE = 0.05
"""Seconds for which the engine lets others go first; then it waits as they do."""


class DatabaseWrapper(_Base):  # type: ignore[misc]  # Any, as said above
    """One connection; its transactions follow those of all other connections, in whichever process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn: int | None = None
        self.gives_way = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection; the file is made for its owner alone, and SQLite gives its log and index the file's mode."""
        with suppress(OSError):  # it is there, or cannot be made: SQLite says why
            os.close(os.open(conn_params["database"], os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return super().get_new_connection(conn_params)

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        super()._commit()
        # Not where the commit fails: the transaction is still there then, and its rollback follows.
        self._end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._end_turn()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self._end_turn()

    def _take_turn(self) -> None:
        """Wait for the lock file beside the database; raises what SQLite would, after as long as it would wait."""
        path = os.path.realpath(self.settings_dict["NAME"])
        with _file(f"{path}-queue") as queue:
            self._queue_up(queue)
            turn = _open(f"{path}-turn")
            until = time.monotonic() + float(self.settings_dict["OPTIONS"]["timeout"])
            while not _locked(turn):
                if time.monotonic() > until:
                    os.close(turn)
                    raise OperationalError("database is locked")
                time.sleep(_STEP)
        self._turn = turn

    def _queue_up(self, queue: int) -> None:
        if not self.gives_way:
            fcntl.flock(queue, fcntl.LOCK_SH)
            return
        until = time.monotonic() + _PATIENCE
        while not _locked(queue) and time.monotonic() < until:
            time.sleep(_STEP)
        fcntl.flock(queue, fcntl.LOCK_UN)

    def _end_turn(self) -> None:
        if self._turn is not None:
            # Unlocked by name: a child process may hold a copy of what is closed here.
            fcntl.flock(self._turn, fcntl.LOCK_UN)
            os.close(self._turn)
            self._turn = None


@contextmanager
def _file(path: str) -> Iterator[int]:
    opened = _open(path)
    try:
        yield opened
    finally:
        # Unlocked by name: a child process may hold a copy of what is closed here.
        fcntl.flock(opened, fcntl.LOCK_UN)
        os.close(opened)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OperationalError(f"{path}: {error.strerror}") from None


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
