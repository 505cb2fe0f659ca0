"""The audit record: a page to look through it, and the very bytes to keep."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit import proofs, queries
from chancery.apps.shared.actor import Actor
from chancery.doors.console.views.base import page, show

_ROWS = 50


def _asked(request: HttpRequest) -> dict[str, str]:
    return {f.name: request.GET.get(f.name, "") for f in fields(queries.Asked)}


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the record, newest first."""
    asked = _asked(request)
    found = queries.listing(actor, cursor=request.GET.get("cursor", ""), size=_ROWS, **asked)
    context: dict[str, Any] = {
        "page": found,
        "rows": [queries.content(e) for e in found.items],
        "asked": asked,
        "outcomes": queries.OUTCOMES,
        "may_export": actor.may(Permission.AUDIT_EXPORT),
        "query": urlencode({name: value for name, value in asked.items() if value}),
    }
    return show(request, actor, "audit", context)


@page
def export(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Export the very bytes of the record: all of it, or what the page's filters show."""
    response = StreamingHttpResponse(queries.export(actor, **_asked(request)), content_type="application/x-ndjson")
    response.headers["Content-Disposition"] = 'attachment; filename="audit.ndjson"'
    return response  # type: ignore[return-value]  # a streaming answer is an answer


@page
def proof(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show how the record is proven."""
    context = {
        "found": proofs.standing(actor),
        "seconds": settings.AUDIT_CHECKPOINT_SECONDS + 2,
        "may_archive": actor.scopes(Permission.AUDIT_EXPORT) is None,
    }
    return show(request, actor, "proof", context)


@page
def archive(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Hand out the whole record with the program that verifies it."""
    response = StreamingHttpResponse(proofs.archive(actor), content_type="application/x-tar")
    response.headers["Content-Disposition"] = 'attachment; filename="chancery-audit.tar"'
    return response  # type: ignore[return-value]  # a streaming answer is an answer
