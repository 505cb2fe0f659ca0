"""The audit record."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit import queries as audit
from chancery.apps.shared.actor import Actor
from chancery.doors.console.views.base import page, show


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the audit record."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("action", "by", "target", "cursor")}
    found = audit.listing(actor, **asked)
    rows = [audit.content(e) for e in found.items]
    context = {"page": found, "rows": rows, "asked": asked, "may_export": actor.may(Permission.AUDIT_EXPORT)}
    return show(request, actor, "audit", context)


@page
def export(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Export the very bytes of the record: all of it, or what the page's filters show."""
    asked = {k: request.GET.get(k, "") for k in ("action", "by", "target")}
    response = StreamingHttpResponse(audit.export(actor, **asked), content_type="application/x-ndjson")
    response.headers["Content-Disposition"] = 'attachment; filename="audit.ndjson"'
    return response  # type: ignore[return-value]  # a streaming answer is an answer
