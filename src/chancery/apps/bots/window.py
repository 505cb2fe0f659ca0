"""When a target may be changed: days of the week and hours, in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from chancery.core.errors import Invalid

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? )?([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_REMEDY = "Write for example mon-fri 22:00-04:00, in UTC, or nothing for any time."


def clean_window(text: str) -> str:
    """Return a window as it is stored; raises `Invalid` on *window*."""
    found = " ".join(text.lower().split())
    if found and (_read(found) is None):
        raise Invalid.one("window", f"{text[:40]!r} is no window.", _REMEDY)
    return found


def opens(text: str, now: datetime) -> bool:
    """Say whether a window is open at a moment. One that ends at or before it begins goes into the next day."""
    found = _read(text)
    if found is None:
        return True
    days, begin, end = found
    minute = now.hour * 60 + now.minute
    if begin < end:
        return now.weekday() in days and begin <= minute < end
    return (now.weekday() in days and minute >= begin) or ((now - timedelta(days=1)).weekday() in days and minute < end)


def _read(text: str) -> tuple[set[int], int, int] | None:
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    first, last = found[1] or "mon", found[2] or found[1] or "sun"
    if first not in _DAYS or last not in _DAYS:
        return None
    a, b = _DAYS.index(first), _DAYS.index(last)
    days = {d % 7 for d in range(a, b + 1 if a <= b else b + 8)}
    return days, int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
