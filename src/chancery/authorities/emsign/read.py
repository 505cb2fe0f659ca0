"""CERTInext's JSON, read carefully: numbers come as text, flags as "0" and "1", lists and fields may be missing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from chancery.sdk.errors import ProtocolViolation

_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_CLOCKS, _ZONES, _DASHES = timedelta(minutes=10), timedelta(days=1), 2
_NUMBER = re.compile(r"[0-9]{1,12}\Z")


def table(value: Any) -> dict[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects; what is no object is left out."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def word(value: Any, limit: int = 200) -> str:
    """Return text or a number as text of at most `limit` characters; '' for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = value if isinstance(value, str) else str(value) if abs(value) < 10**18 else ""
    return " ".join(text.split())[:limit]


def count(value: Any) -> int:
    """Return a number that may come as text; 0 for anything else."""
    text = word(value)
    return int(text) if _NUMBER.match(text) else 0


def texts(value: Any) -> list[str] | None:
    """Return a list of texts; None where there is no list at all, which is another thing than an empty one."""
    return [t for v in value if (t := word(v, 300))] if isinstance(value, list) else None


def first(row: dict[str, Any], *names: str, limit: int = 300) -> str:
    """Return the first of several fields that says anything: examples and reality differ in their names."""
    return next((text for name in names if (text := word(row.get(name), limit))), "")


def moment(value: Any) -> datetime | None:
    """Return an ISO 8601 moment as UTC, also one without a zone; None where it is none."""
    try:
        found = datetime.fromisoformat(word(value))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def was_before(value: Any, when: datetime) -> bool:
    """Say whether something was certainly placed before a moment: clocks differ by minutes, zones that are not told by a day."""
    found, text = moment(value), word(value)
    if found is None:
        return False
    zoned = text.endswith("Z") or "+" in text or text.count("-") > _DASHES
    return found < when - (_CLOCKS if zoned else _ZONES)


def ident(value: Any) -> str:
    """Return an id fit for a path, opaque as the documents want it; '' where it is none."""
    text = word(value)
    return text if _IDENT.match(text) else ""


def segment(value: Any) -> str:
    """Return an id fit for a path; raises `ProtocolViolation`, which says that nothing was sent, where it is none."""
    found = ident(value)
    if not found:
        text = f"emSign gave a number that is none: {word(value)[:40]!r}."
        raise ProtocolViolation(text, stage="response", bytes_sent=False)
    return found
