"""The error family as problem details (RFC 9457); the console and the CLI read the same fields."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid, NotPermitted, Unavailable

PROBLEM_JSON = "application/problem+json"

STATUS: tuple[tuple[type[ChanceryError], int, str], ...] = (
    (Invalid, 422, "The request cannot be used"),
    (NotPermitted, 403, "Not permitted"),
    (Absent, 404, "Not found"),
    (Conflict, 409, "Conflict"),
    (Unavailable, 503, "Not available now"),
)


def status(error: ChanceryError) -> tuple[int, str]:
    """Return the HTTP status and title of an error."""
    return next(((code, title) for kind, code, title in STATUS if isinstance(error, kind)), (500, "Error"))


def problem(error: ChanceryError) -> dict[str, Any]:
    """Return an error as a problem document."""
    code, title = status(error)
    document: dict[str, Any] = {
        "type": f"urn:chancery:problem:{error.code}",
        "title": title,
        "status": code,
        "detail": error.detail if not isinstance(error, Invalid) else str(error),
        "code": error.code,
        "remedy": error.remedy,
    }
    if isinstance(error, Invalid):
        document["problems"] = [p.as_dict() for p in error.problems]
    if isinstance(error, Conflict) and error.blockers:
        document["blockers"] = [asdict(b) for b in error.blockers]
    return document
