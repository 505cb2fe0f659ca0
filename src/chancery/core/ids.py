"""Identifiers: UUID version 7 (RFC 9562 section 5.7), so that ids sort by the time they were made."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from uuid import UUID

_lock = threading.Lock()
_last = (0, 0)
_COUNTER_BITS = 12
_STEP_BACK = 10_000
"""Milliseconds: a clock that is set back further was wrong before, and ids that kept to it would sort after those of
every other process for as long as it had been wrong."""


def new_id(now: datetime) -> UUID:
    """Return a fresh UUIDv7 for the moment `now`; ids from one process strictly increase, but for a clock set back.

    The 12 bits after the version hold a counter (RFC 9562 section 6.2, method 1): a process that
    makes more than 4,096 ids in one millisecond, or whose clock steps back a little, borrows from the next. A clock that is set back far is followed.
    """
    milliseconds = int(now.timestamp() * 1000)
    counted, counter = _next(milliseconds)
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    value = (counted << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | tail
    return UUID(int=value)


def first_of(moment: datetime) -> UUID:
    """Return the id below every UUIDv7 that was made at `moment` or later: where a range by time begins."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (0x7 << 76) | (0b10 << 62))


def made_at(ident: UUID) -> datetime:
    """Return the moment that a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((ident.int >> 80) / 1000, UTC)


def _next(milliseconds: int) -> tuple[int, int]:
    global _last  # noqa: PLW0603  one counter per process is the point
    with _lock:
        before, counter = _last
        if milliseconds > before or milliseconds < before - _STEP_BACK:
            _last = (milliseconds, 0)
        elif counter + 1 < 1 << _COUNTER_BITS:
            _last = (before, counter + 1)
        else:
            _last = (before + 1, 0)
        return _last
