"""The time zones in which somebody may read the console; the names are IANA's."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from chancery.core.errors import Invalid


@cache
def names() -> tuple[str, ...]:
    """Return the zones that this machine knows, sorted: UTC, and those of a region and a place."""
    return ("UTC", *sorted(n for n in available_timezones() if "/" in n and not n.startswith("Etc/")))


def known(name: str) -> str:
    """Return `name`, empty for the server's own zone; raises `Invalid` on field *time_zone* where it is unknown."""
    if name and name not in names():
        problem = f"There is no time zone {name[:60]!r}."
        raise Invalid.one("time_zone", problem, "Choose one from the list, such as UTC or Europe/Berlin.")
    return name


def zone(name: str) -> ZoneInfo | None:
    """Return the zone of a person, or None where they chose none that this machine knows."""
    return ZoneInfo(name) if name in names() else None
