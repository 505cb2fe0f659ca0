"""The error family as problem details (RFC 9457); the console and the CLI read the same fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid, NotPermitted, Problem, Unavailable

PROBLEM_JSON = "application/problem+json"
STATUS: tuple[tuple[type[ChanceryError], int, str], ...] = (
    (Invalid, 422, "The request cannot be used"),
    (NotPermitted, 403, "Not permitted"),
    (Absent, 404, "Not found"),
    (Conflict, 409, "Conflict"),
    (Unavailable, 503, "Not available now"),
)
CODES = {"idempotency_mismatch": 422}
"""Codes with a status of their own: draft-ietf-httpapi-idempotency-key-header-07, section 2.7, has 422 for this one."""


class Refusal(ChanceryError):
    """What a door itself refuses, before any action is asked: `http` is the status, `field` names the part."""

    def __init__(self, http: int, code: str, field: str, detail: str, remedy: str) -> None:
        super().__init__(detail, remedy=remedy, code=code)
        self.http = http
        self.problems = [Problem(field, detail, remedy, code)]


def status(error: ChanceryError, *, reading: bool = False) -> tuple[int, str]:
    """Return the HTTP status and title of an error; `reading` says that a listing or page was asked for.

    What cannot be used is a 422 in a body (RFC 9110, 15.5.21) and a 400 in an address.
    """
    if isinstance(error, Refusal):
        return error.http, HTTPStatus(error.http).phrase
    code, title = next(((code, title) for kind, code, title in STATUS if isinstance(error, kind)), (500, "Error"))
    if reading and isinstance(error, Invalid):
        return 400, title
    return CODES.get(error.code, code), title


def problem(error: ChanceryError, *, reading: bool = False) -> dict[str, Any]:
    """Return an error as a problem document."""
    code, title = status(error, reading=reading)
    detail = str(error) if isinstance(error, Invalid) else error.detail
    found: Sequence[Problem] = error.problems if isinstance(error, Invalid | Refusal) else ()
    made = document(code, error.code, title, detail, error.remedy, found)
    if isinstance(error, Conflict) and error.blockers:
        made["blockers"] = [asdict(b) for b in error.blockers]
    return made


def document(
    code: int, name: str, title: str, detail: str, remedy: str = "", errors: Sequence[Problem] = ()
) -> dict[str, Any]:
    """Return a problem document; `errors` names each field at fault, what is wrong with it, and the remedy."""
    return {
        "type": f"urn:chancery:problem:{name}",
        "title": title,
        "status": code,
        "detail": detail,
        "code": name,
        "remedy": remedy or next((e.remedy for e in errors if e.remedy), ""),
        "errors": [{"field": e.field, "detail": e.message, "remedy": e.remedy, "code": e.code} for e in errors],
    }
