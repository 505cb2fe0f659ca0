"""What fields that take one of many names suggest while somebody types."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from chancery.apps.shared.actor import Actor
from chancery.doors.console import picking
from chancery.doors.console.views.base import page, show


@page
def suggest(request: HttpRequest, actor: Actor, kind: str) -> HttpResponse:
    """Answer with the names of a kind that begin with what was typed."""
    typed = next(iter(request.GET.values()), "")
    return show(request, actor, "suggested", {"names": picking.suggested(actor, kind, str(typed))})
