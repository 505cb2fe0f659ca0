"""Webhooks: programs that are told what happens."""

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
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.webhooks import actions, queries
from chancery.apps.webhooks.models import Webhook
from chancery.core.errors import ChanceryError, Conflict, Invalid, Problem
from chancery.core.webhook import KINDS
from chancery.doors.console import picking
from chancery.doors.console.views.base import attempt, page, require, show, whole

_TEXTS = ("name", "team", "environment", "url")
_LISTS = ("events", "allowed_networks")


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List webhooks."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("search", "cursor")}
    return show(request, actor, "webhooks", {"page": queries.listing(actor, **asked), "asked": asked})


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a webhook, and how far it has been told."""
    return _shown(request, actor, queries.get(actor, ident))


def _shown(request: HttpRequest, actor: Actor, row: Webhook, secret: str = "") -> HttpResponse:
    idle = row.is_active and not worker_alive(current_clock().now())
    response = show(request, actor, "webhook", {"webhook": row, "secret": secret, "no_worker": idle})
    if secret:
        response.headers["Cache-Control"] = "no-store"
    return response


@page
def create(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Add a webhook; the page that follows shows its secret, once."""
    require(actor, Permission.WEBHOOK_MANAGE)
    values, problems = _values(request, None), list[Problem]()
    if request.method == "POST":
        try:
            row, secret = actions.create(actor, values)
        except Invalid as error:
            problems = error.problems
        else:
            return _shown(request, actor, row, secret.reveal())
    return _form(request, actor, None, values, problems)


@page
def edit(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Edit a webhook."""
    row = queries.get(actor, ident)
    require(actor, Permission.WEBHOOK_MANAGE, row)
    values, problems = _values(request, row), list[Problem]()
    if request.method == "POST":
        try:
            actions.edit(actor, ident, whole(request.POST.get("revision", ""), "revision"), values)
        except Invalid as error:
            problems = error.problems
        except Conflict as error:
            return _form(request, actor, row, values, problems, error)
        else:
            messages.success(request, _("The webhook is saved."))
            return redirect("webhook", ident)
    return _form(request, actor, row, values, problems)


def _form(
    request: HttpRequest,
    actor: Actor,
    row: Webhook | None,
    values: dict[str, Any],
    problems: list[Problem],
    stale: Conflict | None = None,
) -> HttpResponse:
    context = {
        "webhook": row,
        "values": {**values, **{n: "\n".join(values[n]) for n in _LISTS}},
        "revision": request.POST.get("revision") or (row.revision if row else 0),
        "problems": problems,
        "stale": stale,
        "kinds": KINDS,
        "teams": picking.pick("teams", actor, values.get("team", ""), by_name=True),
        "environments": list(Environment.objects.order_by("name")),
    }
    return show(request, actor, "webhook_form", context, 422 if problems else 409 if stale else 200)


def _values(request: HttpRequest, row: Webhook | None) -> dict[str, Any]:
    data = request.POST
    if request.method == "POST":
        lists = {n: [line.strip() for line in data.get(n, "").splitlines() if line.strip()] for n in _LISTS}
        return {**{n: data.get(n, "") for n in _TEXTS}, **lists, "is_active": data.get("is_active") == "on"}
    if row is None:
        return {**dict.fromkeys(_TEXTS, ""), **{n: [] for n in _LISTS}, "is_active": True}
    environment = row.environment.name if row.environment is not None else ""
    names = {"name": row.name, "team": row.team.name, "environment": environment, "url": row.url}
    return {**names, **{n: getattr(row, n) for n in (*_LISTS, "is_active")}}


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Send a test, make a new secret, or delete it."""
    if what == "delete":
        gone = attempt(request, lambda: actions.delete(actor, ident), _("The webhook is deleted."))
        return redirect("webhooks") if gone else redirect("webhook", ident)
    if what == "rotate":
        try:
            row, secret = actions.rotate(actor, ident)
        except ChanceryError as error:
            messages.error(request, f"{error} {error.remedy}".strip())
            return redirect("webhook", ident)
        return _shown(request, actor, row, secret.reveal())
    attempt(request, lambda: actions.test(actor, ident), _("A worker sends a test; look again in a moment."))
    return redirect("webhook", ident)
