"""Editing what others may edit too: the revision travels as an entity tag (RFC 9110, 8.8.3 and 13.1.1).

The tag names the revision that an edit is checked against. What the engine measures (health, dates) changes without
a new revision, so the tag is for `If-Match` alone; no answer is ever a 304.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from chancery.core.errors import Conflict
from chancery.doors.problems import Refusal


def tag(response: HttpResponse, revision: int) -> None:
    """Give the answer the entity tag of a revision."""
    response.headers["ETag"] = f'"{revision}"'


def expected(request: HttpRequest, sent: int | None, present: int) -> int:
    """Return the revision that an edit is for: that of `If-Match`, else the body's; 412 or 428 where it cannot be.

    `sent` is the body's `revision`; `present` the one in force.
    """
    matched = matching(request, present)
    if sent is not None:
        return sent
    if matched is None:
        raise Refusal(
            428,
            "revision_needed",
            "If-Match",
            "It is not said which revision was edited.",
            "Read the thing first, and send its ETag as If-Match, or its revision in the body.",
        )
    return matched


def matching(request: HttpRequest, present: int) -> int | None:
    """Return the present revision if `If-Match` names it, None where there is no such header; else refuse with 412."""
    text = request.headers.get("If-Match", "").strip()
    if not text:
        return None
    if text != "*" and f'"{present}"' not in [part.strip() for part in text.split(",")]:
        raise Refusal(
            412,
            "stale",
            "If-Match",
            f"It was changed meanwhile: the present revision is {present}.",
            "Read it again, compare, and send the edit with its new ETag.",
        )
    return present


def in_time(request: HttpRequest, error: Conflict) -> Conflict | Refusal:
    """Return what to say of an edit that lost a race: whoever sent If-Match gets the answer that it asks for."""
    if error.code == "stale" and request.headers.get("If-Match"):
        return Refusal(412, "stale", "If-Match", error.detail, error.remedy)
    return error
