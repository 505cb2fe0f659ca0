"""The record over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from chancery.apps.audit import queries
from chancery.doors.api import answers, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, linked

router = Routes(tags=["audit"])
_LINES = "application/x-ndjson"


@router.get("/audit", response=answers.Audit, headers=("Link",))
def entries(
    request: HttpRequest,
    response: HttpResponse,
    action: parameters.ByAction = "",
    by: parameters.ByActor = "",
    address: parameters.ByAddress = "",
    target: parameters.ByTarget = "",
    outcome: parameters.ByOutcome = "",
    since: parameters.Since = "",
    until: parameters.Until = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List audit entries, newest first, with the names and addresses that their bytes only refer to."""
    asked = {"action": action, "by": by, "address": address, "target": target, "outcome": outcome}
    found = queries.listing(actor(request), **asked, since=since, until=until, cursor=cursor, size=size)
    return linked(request, response, show.page(found, queries.content))


@router.get("/audit/export", files={_LINES: "One entry a line: the very bytes that were written."})
def export(
    request: HttpRequest,
    action: parameters.ByAction = "",
    by: parameters.ByActor = "",
    address: parameters.ByAddress = "",
    target: parameters.ByTarget = "",
    outcome: parameters.ByOutcome = "",
    since: parameters.Since = "",
    until: parameters.Until = "",
) -> StreamingHttpResponse:
    """Export the very bytes that were written, one entry per line, oldest first."""
    asked = {"action": action, "by": by, "address": address, "target": target, "outcome": outcome}
    lines = queries.export(actor(request), **asked, since=since, until=until)
    return StreamingHttpResponse(lines, content_type=_LINES)
