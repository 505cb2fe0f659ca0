"""Posture: what is weak about how CAs are used, and what is done about it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.posture import actions, queries
from chancery.apps.shared.actor import Actor
from chancery.core.posture import Kind, Level
from chancery.doors.console.views.base import attempt, page, show


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List findings, the weightiest first."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("state", "kind", "level", "cursor")}
    found = queries.listing(actor, **{**asked, "state": asked["state"] or "open"})
    context = {"page": found, "asked": asked, "kinds": list(Kind), "levels": list(Level), "limits": queries.limits()}
    return show(request, actor, "posture", context)


@page
def one(request: HttpRequest, actor: Actor, key: str) -> HttpResponse:
    """Show a finding, what to do, and the form for a decision."""
    return show(request, actor, "posture_finding", {"shown": queries.get(actor, key)})


@require_POST
@page
def decide(request: HttpRequest, actor: Actor, key: str) -> HttpResponse:
    """Say who looks after a finding, and until when it waits."""
    given = {n: request.POST.get(n, "") for n in ("owner", "until", "reason")}
    done = attempt(request, lambda: actions.decide(actor, key, **given), _("It is noted."))
    return redirect("posture") if done else redirect("posture_finding", key)
