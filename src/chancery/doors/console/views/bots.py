"""Bots: who they are, what they found, what they told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chancery_bot import kinds
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts.models import Environment
from chancery.apps.accounts.permissions import Permission
from chancery.apps.bots import actions, queries
from chancery.apps.bots.models import Bot, Purpose, Standing
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, Invalid, Problem
from chancery.doors.console import picking
from chancery.doors.console.views.base import attempt, page, require, show, whole


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List bots."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("status", "search", "cursor")}
    found, now = queries.listing(actor, **asked), current_clock().now()
    context = {
        "page": found,
        "rows": [(bot, queries.standing(bot, now), queries.why(bot, now)) for bot in found.items],
        "asked": asked,
        "statuses": Standing.choices,
    }
    return show(request, actor, "bots", context)


@page
def create(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Make a bot and show its token, this once."""
    require(actor, Permission.BOT_CREATE)
    problems: list[Problem] = []
    if request.method == "POST":
        data = request.POST
        try:
            bot, token = actions.create(
                actor,
                **_common(request),
                team=data.get("team", ""),
                environment=data.get("environment", ""),
                days=whole(data.get("days", ""), "days"),
                host=data.get("host", ""),
            )
        except Invalid as error:
            problems = error.problems
        else:
            return _token(request, actor, bot, token)
    typed = request.POST or {"purpose": Purpose.BOTH, "poll_seconds": 30, "days": actions.USUAL_DAYS}
    return _form(request, actor, None, typed, problems)


@page
def edit(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Change what a bot is called, what it is for, and how often it asks."""
    bot = queries.get(actor, ident)
    require(actor, Permission.BOT_EDIT, bot)
    problems: list[Problem] = []
    if request.method == "POST":
        try:
            actions.edit(actor, ident, **_common(request))
        except Invalid as error:
            problems = error.problems
        else:
            messages.success(request, _("The bot is saved."))
            return redirect("bot", ident)
    tags = "\n".join(f"{n}={v}" for n, v in bot.tags.items())
    stored = {"name": bot.name, "purpose": bot.purpose, "poll_seconds": bot.poll_seconds, "tags": tags}
    return _form(request, actor, bot, request.POST or stored, problems)


def _form(request: HttpRequest, actor: Actor, bot: Bot | None, values: Any, problems: list[Problem]) -> HttpResponse:
    context = {
        "bot": bot,
        "values": values,
        "problems": problems,
        "purposes": Purpose.choices,
        "teams": picking.pick("teams", actor, values.get("team", ""), by_name=True),
        "environments": Environment.objects.order_by("name"),
        "most_days": actions.MOST_DAYS,
    }
    return show(request, actor, "bot_form", context, 422 if problems else 200)


def _common(request: HttpRequest) -> dict[str, Any]:
    data = request.POST
    pairs = [line.partition("=") for line in data.get("tags", "").splitlines() if line.strip()]
    return {
        "name": data.get("name", ""),
        "purpose": data.get("purpose", ""),
        "poll_seconds": whole(data.get("poll_seconds", ""), "poll_seconds"),
        "tags": {name.strip(): value.strip() for name, _equals, value in pairs},
    }


def _token(request: HttpRequest, actor: Actor, bot: Bot, token: str) -> HttpResponse:
    context = {"bot": bot, "token": token, "server": request.build_absolute_uri("/").rstrip("/")}
    return show(request, actor, "bot_token", context)


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a bot: its targets, what it deployed, what it found, and its log as it comes in."""
    bot, now = queries.get(actor, ident), current_clock().now()
    targets = list(queries.targets(bot))
    under_way = queries.open_of(targets)
    offered = queries.offered(targets, under_way)
    standing, deployments = queries.standing(bot, now), queries.deployments(actor, ident, size=10).items
    seen = "-".join([standing, *(d.state for d in deployments)])
    context = {
        "bot": bot,
        "standing": standing,
        "seen": seen,
        "why": queries.why(bot, now),
        "targets": [(t, kinds.TITLES.get(t.kind, t.kind), under_way.get(t.pk), offered.get(t.pk, ())) for t in targets],
        "deployments": deployments,
        "found": list(enumerate(bot.found)),
        "lines": queries.log(actor, ident).items,
        "most_days": actions.MOST_DAYS,
        "usual_days": actions.USUAL_DAYS,
    }
    if not request.headers.get("HX-Request"):
        return show(request, actor, "bot", context)
    part = show(request, actor, "bot_live", context)
    if request.GET.get("seen", seen) != seen:
        # The table of targets says something else now. Until then no menu that somebody opened is touched.
        part.headers["HX-Refresh"] = "true"
    return part


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Stop, start, delete, or make a fresh token."""
    if what == "token":
        days = whole(request.POST.get("days", str(actions.USUAL_DAYS)), "days")
        return _token(request, actor, *actions.new_token(actor, ident, days=days, host=request.POST.get("host", "")))
    verbs: dict[str, tuple[Callable[[], object], str]] = {
        "stop": (lambda: actions.stop(actor, ident), _("The bot gets nothing more to do.")),
        "start": (lambda: actions.start(actor, ident), _("The bot gets work again.")),
        "delete": (lambda: actions.delete(actor, ident), _("The bot is deleted; what is on its host stays there.")),
    }
    if what not in verbs:
        raise Absent("page", what)
    gone = attempt(request, *verbs[what]) and what == "delete"
    return redirect("bots") if gone else redirect("bot", ident)
