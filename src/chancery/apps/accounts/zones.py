"""The time zones in which somebody may read the console; the names are IANA's."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings

from chancery.core.errors import Invalid


class Zone(ZoneInfo):
    """A time zone in which the calendar's first and last hours can be shown as well: as they are in UTC.

    A certificate without an end has the last second of the year 9999 (RFC 5280 section 4.1.2.5), which is past the
    calendar's end for everybody east of Greenwich.
    """

    def fromutc(self, at: datetime, /) -> datetime:
        """Return a moment in UTC as it is called here."""
        try:
            return super().fromutc(at)
        except OverflowError:
            return at


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


def zone(name: str) -> Zone:
    """Return the zone of a person: the server's own where they chose none that this machine knows."""
    return Zone(name if name in names() else settings.TIME_ZONE)
