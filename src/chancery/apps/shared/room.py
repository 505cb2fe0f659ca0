"""Whether a disk is full: nothing is wrong then that a request, a CA or a login could mend, and all goes on with some room."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_FULL = "53100"
"""PostgreSQL's own code (its manual, appendix A: class 53, insufficient resources)."""
_MOST = 10


def no_room(error: BaseException | None) -> bool:
    """Say whether an error, or one that it was made from, is a full disk or quota: of a file or of a database."""
    return any(_is_full(one) for one in _chain(error))


def said(error: BaseException) -> str:
    """Return an error of the database as the first line that it says, for a log that is read by people."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _is_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        # The lower byte is the primary code (sqlite.org/rescode.html); errors of Python's own module have none.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return getattr(error, "sqlstate", None) == _DISK_FULL


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_MOST):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
