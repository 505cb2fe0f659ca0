"""The targets of bots, and what is deployed to them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from chancery_bot import kinds
from chancery_bot.material import KEY_TYPES
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts.permissions import Permission
from chancery.apps.bots import actions, queries, targets
from chancery.apps.bots.models import OPEN, Bot, Target
from chancery.apps.connectors import queries as connectors
from chancery.apps.profiles import queries as profiles
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, Conflict, Invalid, Problem
from chancery.doors.console import picking
from chancery.doors.console.forms import Input, model_inputs, posted
from chancery.doors.console.views.base import attempt, page, require, show, whole

_TEXTS = ("name", "profile", "key_type", "window")


@page
def create(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Add a target to a bot; what the bot found on its host fills the form."""
    bot = queries.get(actor, ident)
    require(actor, Permission.BOT_EDIT, bot)
    start = _found(bot, request.GET.get("found", ""))
    kind = request.POST.get("kind") or request.GET.get("kind") or start.get("kind", "nginx")
    if request.method == "POST":
        return _save(request, actor, bot, None, kind)
    usual = {"name": start.get("title", ""), "names": "\n".join(start.get("names", [])), "key_type": "EC-P256"}
    return _form(request, actor, bot, None, kind, {**usual, "renew_days": 0}, start.get("settings", {}), [])


@page
def edit(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Change a target."""
    row = queries.target(actor, ident)
    require(actor, Permission.BOT_EDIT, row)
    if request.method == "POST":
        return _save(request, actor, row.bot, row, row.kind)
    stored = {n: getattr(row, n) for n in ("name", "key_type", "renew_days", "window", "revision")}
    stored |= {"profile": str(row.profile_id), "names": "\n".join(value for _kind, value in row.names)}
    return _form(request, actor, row.bot, row, row.kind, stored, row.settings, [])


def _found(bot: Bot, index: str) -> dict[str, Any]:
    """Return the service of a bot's host that the form is to be filled from."""
    number = whole(index, "found") if index else len(bot.found)
    found: dict[str, Any] = bot.found[number] if number < len(bot.found) else {}
    return found


def _save(request: HttpRequest, actor: Actor, bot: Bot, row: Target | None, kind: str) -> HttpResponse:
    data = request.POST
    settings = posted(kinds.settings(kind), data) if kind in kinds.TITLES else {}
    values: dict[str, Any] = {n: data.get(n, "") for n in _TEXTS} | {"kind": kind, "settings": settings}
    values["names"] = data.get("names", "").replace(",", "\n").split()
    try:
        values["renew_days"] = whole(data.get("renew_days") or "0", "renew_days")
        if row is None:
            targets.add(actor, bot.pk, values)
        else:
            targets.edit(actor, row.pk, whole(data.get("revision", ""), "revision"), values)
    except Invalid as error:
        return _form(request, actor, bot, row, kind, data, settings, error.problems)
    except Absent as error:
        if error.kind != "profile":
            raise
        return _form(
            request, actor, bot, row, kind, data, settings, [picking.unknown(actor, "profiles", values["profile"])]
        )
    except Conflict as error:
        return _form(
            request, actor, bot, row, kind, data, settings, [Problem("", str(error), error.remedy, error.code)]
        )
    messages.success(request, _("The target is saved."))
    return redirect("bot", bot.pk)


def _form(
    request: HttpRequest,
    actor: Actor,
    bot: Bot,
    row: Target | None,
    kind: str,
    values: Any,
    settings: dict[str, Any],
    problems: list[Problem],
) -> HttpResponse:
    if kind not in kinds.TITLES:
        raise Absent("kind of target", kind)
    inputs = sorted((one for _group, one in model_inputs(kinds.settings(kind), settings)), key=_later)
    for one in inputs:
        one.problems = [p for p in problems if p.field == f"settings.{one.name}"]
    context = {
        "bot": bot,
        "target": row,
        "kind": kind,
        "kind_title": kinds.TITLES[kind],
        "kinds": list(kinds.TITLES.items()),
        "values": values,
        "inputs": inputs,
        "problems": problems,
        "pick": (pick := _profiles(actor, bot, values)),
        "authorities": [] if pick.typed else _choice(actor, pick, row),
        "key_types": KEY_TYPES,
    }
    return show(request, actor, "target_form", context, 422 if problems else 200)


def _later(one: Input) -> bool:
    """Say whether an input can wait: what must be given comes first."""
    return not one.required


def _profiles(actor: Actor, bot: Bot, values: Any) -> picking.Pick:
    """Return the profiles of a bot's team and environment that the actor may order with."""
    chosen = str(values.get("profile") or "")
    return picking.pick("profiles", actor, chosen, team=bot.team_id, environment=bot.environment_id)


def _choice(actor: Actor, pick: picking.Pick, row: Target | None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return connector → profiles to pick that order through it, where it is usable.

    The profile that a target has stays among them whatever its connector is.
    """
    offered = list(profiles.usable(actor).filter(pk__in=[ident for ident, _name in pick.options]))
    goes_to = profiles.routes(offered)
    leads = connectors.usable_connectors(actor).filter(pk__in=[c.pk for c in goes_to.values()])
    usable = set(leads.values_list("pk", flat=True))
    found = [
        (goes_to[p.pk].name, str(p.pk), p.name)
        for p in offered
        if p.pk in goes_to and (goes_to[p.pk].pk in usable or (row is not None and row.profile_id == p.pk))
    ]
    return [(name, [(i, n) for _c, i, n in rows]) for name, rows in groupby(sorted(found), key=lambda one: one[0])]


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Order anew, deploy again, roll back, or delete."""
    row = queries.target(actor, ident)
    soon = _("It is done at the bot's next look.")
    verbs: dict[str, tuple[Callable[[], object], str]] = {
        "issue": (lambda: actions.issue(actor, ident), soon),
        "again": (lambda: actions.again(actor, ident), soon),
        "roll-back": (lambda: actions.roll_back(actor, ident), soon),
        "delete": (lambda: targets.remove(actor, ident), _("The target is deleted; what is on the host stays there.")),
    }
    if what not in verbs:
        raise Absent("page", what)
    attempt(request, *verbs[what])
    return redirect("bot", row.bot_id)


@page
def deployment(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a deployment: one timeline from the wish over the order to what is served."""
    row = queries.deployment(actor, ident)
    context = {"deployment": row, "events": queries.timeline(row), "live": row.state in OPEN}
    part = "deployment_live" if request.headers.get("HX-Request") else "deployment"
    return show(request, actor, part, context)


@require_POST
@page
def cancel(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Give up a deployment that its bot has not begun."""
    attempt(request, lambda: actions.cancel(actor, ident), _("It is given up."))
    return redirect("deployment", ident)
