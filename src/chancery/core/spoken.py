"""Times, lengths of time and numbers as sentences have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_UNITS = ((86400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes"), (1, "second", "seconds"))


def at(moment: datetime) -> str:
    """Return a moment to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(count: int, one: str, many: str) -> str:
    """Return a count with its noun."""
    return f"{count} {one if count == 1 else many}"


def lasting(time: timedelta) -> str:
    """Return a length of time in its largest unit, and the next one where that is not nothing: *2 hours 5 minutes*."""
    left = int(time.total_seconds())
    for index, (size, one, many) in enumerate(_UNITS):
        if left < size:
            continue
        whole, rest = divmod(left, size)
        text = number(whole, one, many)
        if index + 1 == len(_UNITS):
            return text
        below, single, several = _UNITS[index + 1]
        return f"{text} {number(rest // below, single, several)}" if rest >= below else text
    return "less than a second"
