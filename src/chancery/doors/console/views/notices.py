"""Notices: what people are told, and where it is sent."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts.models import Environment
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors.queries import worker_alive
from chancery.apps.notices import actions, queries
from chancery.apps.notices.models import Channel, Kind
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Conflict, Invalid, Problem
from chancery.doors.console import picking
from chancery.doors.console.views.base import attempt, page, require, show, whole

_TEXTS = ("name", "team", "environment", "url")


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what is so now, or was, and the channels."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("state", "kind", "cursor")}
    found = queries.listing(actor, **{**asked, "state": asked["state"] or "open"})
    channels = queries.channels(actor)[:200] if actor.may(Permission.CHANNEL_VIEW) else []
    context = {"page": found, "asked": asked, "kinds": Kind.choices, "channels": channels}
    return show(request, actor, "notices", context)


@page
def channel(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a channel and what was sent to it."""
    row = queries.channel(actor, ident)
    sent = queries.deliveries(row)
    waiting = any(delivery.due_at is not None for delivery in sent)
    context = {
        "channel": row,
        "kinds": [Kind(kind).label for kind in row.kinds],
        "deliveries": sent,
        "no_worker": waiting and not worker_alive(current_clock().now()),
    }
    return show(request, actor, "channel", context)


@page
def create(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Add a channel."""
    require(actor, Permission.CHANNEL_MANAGE)
    return _form(request, actor, None)


@page
def edit(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Edit a channel; its address is never shown."""
    row = queries.channel(actor, ident)
    require(actor, Permission.CHANNEL_MANAGE, row)
    return _form(request, actor, row)


def _form(request: HttpRequest, actor: Actor, row: Channel | None) -> HttpResponse:
    values, problems, stale = _values(request, row), list[Problem](), None
    if request.method == "POST":
        try:
            saved = _save(request, actor, row, values)
        except Invalid as error:
            problems = error.problems
        except Conflict as error:
            stale = error
        else:
            messages.success(request, _("The channel is saved. Send a test to see that it works."))
            return redirect("channel", str(saved.pk))
    context = {
        "channel": row,
        # What was typed of an address does not come back: it may be a good one with a bad name beside it.
        "values": {**values, "url": "", "allowed_networks": "\n".join(values["allowed_networks"])},
        "revision": request.POST.get("revision") or (row.revision if row else 0),
        "problems": problems,
        "stale": stale,
        "kinds": Kind.choices,
        "teams": picking.pick("teams", actor, values.get("team", ""), by_name=True),
        "environments": list(Environment.objects.order_by("name")),
    }
    return show(request, actor, "channel_form", context, 422 if problems else 409 if stale else 200)


def _save(request: HttpRequest, actor: Actor, row: Channel | None, values: dict[str, Any]) -> Channel:
    if row is None:
        return actions.create(actor, values)
    return actions.edit(actor, str(row.pk), whole(request.POST.get("revision", ""), "revision"), values)


def _values(request: HttpRequest, row: Channel | None) -> dict[str, Any]:
    data = request.POST
    if request.method == "POST":
        lists = {"kinds": data.getlist("kinds"), "allowed_networks": data.get("allowed_networks", "").splitlines()}
        return {**{n: data.get(n, "") for n in _TEXTS}, **lists, "is_active": data.get("is_active") == "on"}
    if row is None:
        return {**dict.fromkeys(_TEXTS, ""), "kinds": [], "allowed_networks": [], "is_active": True}
    environment = row.environment.name if row.environment is not None else ""
    names = {"name": row.name, "team": row.team.name, "environment": environment, "url": ""}
    return {**names, **{n: getattr(row, n) for n in ("kinds", "allowed_networks", "is_active")}}


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Send a test to a channel, or delete it."""
    if what == "delete":
        gone = attempt(request, lambda: actions.delete(actor, ident), _("The channel is deleted."))
        return redirect("notices") if gone else redirect("channel", ident)
    attempt(request, lambda: actions.test(actor, ident), _("A worker sends a test; look below how it goes."))
    return redirect("channel", ident)
