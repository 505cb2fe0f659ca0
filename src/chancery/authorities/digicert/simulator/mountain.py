"""DigiCert's own time zone: dates without a zone are meant in it (B3, B3.3)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

MOUNTAIN = ZoneInfo("America/Denver")
_LAST = timedelta(days=1) - timedelta(seconds=1)


def moment(text: str, *, end: bool = False) -> datetime:
    """Return a day, or a date and time, as UTC; `end` takes a day's last second. Raises `ValueError`."""
    stamp = datetime.fromisoformat(text.strip())
    if len(text.strip()) <= len("2026-01-01") and end:
        stamp = datetime.combine(stamp.date(), time()) + _LAST
    return (stamp.replace(tzinfo=MOUNTAIN) if stamp.tzinfo is None else stamp).astimezone(UTC)
