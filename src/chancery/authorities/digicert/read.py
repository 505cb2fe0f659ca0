"""Takes what is wanted out of an answer that may hold null, text for numbers, one row for a list, or nothing at all."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from chancery.sdk.errors import ProtocolViolation

_NUMBER = re.compile(r"[0-9]{1,20}\Z", re.ASCII)
_IDENT = re.compile(r"[A-Za-z0-9]{1,64}\Z")
_DAY = 10


def table(value: Any) -> dict[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects; a single object counts as one row, and what is no object is left out."""
    found = [value] if isinstance(value, dict) else value
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def word(value: Any, limit: int = 200) -> str:
    """Return text or a number as text of at most `limit` characters; '' for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = value if isinstance(value, str) else str(value) if abs(value) < 10**18 else ""
    return " ".join(text.split())[:limit]


def number(value: Any) -> str:
    """Return an id as digits; '' where it is none."""
    text = word(value)
    return text if _NUMBER.match(text) else ""


def names(value: Any) -> list[str]:
    """Return DNS names in lower case, without the blanks that orders without names were known to hold."""
    found = value if isinstance(value, list) else []
    return [name for n in found if (name := word(n, 255).lower())]


def flag(value: Any) -> bool | None:
    """Return a yes or no that may be written as 1, "1" or "true"; None for anything else."""
    text = str(value).lower() if isinstance(value, bool | int | str) else ""
    return {"true": True, "1": True, "false": False, "0": False}.get(text)


def day(value: Any) -> date | None:
    """Return the calendar day of a date or moment; None where it is none."""
    try:
        return date.fromisoformat(word(value)[:_DAY])
    except ValueError:
        return None


def moment(value: Any) -> datetime | None:
    """Return an ISO 8601 moment as UTC, also one without a zone; None where it is none."""
    try:
        found = datetime.fromisoformat(word(value))
    except ValueError:
        return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        return None


def segment(value: Any) -> str:
    """Return an id fit for a path; the CA's ids are digits or hex, and anything else is no id.

    Raises `ProtocolViolation`, which says that nothing was sent with it.
    """
    text = word(value)
    if not _IDENT.match(text):
        raise ProtocolViolation(f"DigiCert gave an id that is none: {text[:40]!r}.", stage="response", bytes_sent=False)
    return text
