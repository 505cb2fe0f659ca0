"""Pools, what depends on a connector, and moving it elsewhere."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from chancery.apps.accounts.models import Environment, Team
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector, Pool, Trust, Validation
from chancery.apps.pools import actions, gathering, impact, queries, repointing
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import one_of
from chancery.core.errors import ChanceryError, Conflict, Invalid, Problem
from chancery.doors.console import picking
from chancery.doors.console.forms import as_typed
from chancery.doors.console.views.base import attempt, page, require, show, whole
from chancery.doors.problems import status

_TEXTS = ("name", "description", "team", "environment", "trust", "trust_reason")


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List pools."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("search", "cursor")}
    found = queries.listing(actor, **asked)
    members, used = queries.members_of(found.items), queries.used(found.items)
    rows = [(p, members.get(p.pk, []), used.get(p.pk, 0)) for p in found.items]
    return show(request, actor, "pools", {"page": found, "rows": rows, "asked": asked})


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a pool, and how its members stand."""
    row = queries.get(actor, ident)
    members = queries.members(row)
    roots = gathering.roots([m.connector for m in members])
    context = {
        "pool": row,
        "members": [(m, roots.get(m.connector_id, "")) for m in members],
        "profiles": queries.profiles(row)[: queries.NAMES],
    }
    return show(request, actor, "pool", context)


@page
def create(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Create a pool."""
    require(actor, Permission.POOL_CREATE)
    return _edit(request, actor, None)


@page
def edit(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Edit a pool; who comes second sees what the first changed, and decides."""
    row = queries.get(actor, ident)
    require(actor, Permission.POOL_EDIT, row)  # type: ignore[arg-type]  # one that people made has a team
    return _edit(request, actor, row)


def _edit(request: HttpRequest, actor: Actor, row: Pool | None) -> HttpResponse:
    if request.method != "POST":
        return _form(request, actor, row, [])
    try:
        values = _posted(request.POST)
        if row is None:
            saved = actions.create(actor, values)
        else:
            revision = whole(request.POST.get("seen") or request.POST.get("revision", ""), "revision")
            saved = actions.edit(actor, str(row.pk), revision, values)
    except Invalid as error:
        return _form(request, actor, row, error.problems)
    except Conflict as error:
        return _form(request, actor, row, [], error)
    messages.success(request, _("The pool is saved."))
    return redirect("pool", saved.pk)


def _posted(data: QueryDict) -> dict[str, Any]:
    values: dict[str, Any] = {name: data[name] for name in _TEXTS if name in data}
    values["patience_minutes"] = whole(data.get("patience_minutes", "5"), "patience_minutes")
    values["members"] = [
        {
            "connector": ident,
            "preference": whole(data.get(f"preference_{ident}", "1"), "members"),
            "weight": whole(data.get(f"weight_{ident}", "1"), "members"),
            "validation": data.get(f"validation_{ident}", ""),
        }
        for ident in data.getlist("member")[: actions.MOST + 1]
    ]
    return values


def _form(
    request: HttpRequest, actor: Actor, row: Pool | None, problems: list[Problem], stale: Conflict | None = None
) -> HttpResponse:
    environments = list(Environment.objects.order_by("name").values_list("name", flat=True))
    values = _present(row) if request.method != "POST" else _typed(request.POST)
    for name, known in (("team", Team.objects), ("environment", Environment.objects)):
        asked = values.get(name) or request.GET.get(name, "")
        if not known.filter(name=asked).exists():
            asked = known.order_by("name").values_list("name", flat=True).first() or ""
        values[name] = asked
    context = {
        "pool": row,
        "values": values,
        "teams": picking.pick("teams", actor, values["team"], by_name=True),
        "environments": environments,
        "trusts": Trust.choices,
        "validations": Validation.choices,
        "choices": _choices(request, actor, row, values),
        "problems": problems,
        "stale": stale,
        "differences": _differences(row, values) if row and stale else [],
    }
    return show(request, actor, "pool_form", context, 409 if stale else 422 if problems else 200)


def _present(row: Pool | None) -> dict[str, Any]:
    if row is None:
        return {
            "name": "",
            "description": "",
            "trust": Trust.SAME_ROOT,
            "trust_reason": "",
            "patience_minutes": 5,
            "revision": 0,
        }
    found = {
        n: getattr(row, n) for n in ("name", "description", "trust", "trust_reason", "patience_minutes", "revision")
    }
    return {**found, "team": str(row.team), "environment": str(row.environment)}


def _typed(data: QueryDict) -> dict[str, Any]:
    return {n: data.get(n, "") for n in (*_TEXTS, "patience_minutes", "revision")}


def _differences(row: Pool, values: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return field, present value, and typed value where they differ."""
    present = _present(row)
    names = [n for n in values if n != "revision" and as_typed(present.get(n)) != as_typed(values[n])]
    return [(n, as_typed(present.get(n)), as_typed(values[n])) for n in names]


def _choices(request: HttpRequest, actor: Actor, row: Pool | None, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the connectors of the pool's place, with what was typed or is stored of each."""
    rows = connectors.visible_to(actor).filter(team__name=values["team"], environment__name=values["environment"])
    stored = {m.connector_id: m for m in queries.members(row)} if row else {}
    found = list(rows.order_by("authority", "name_key")[: connectors.NAMES])
    found += [m.connector for m in stored.values() if m.connector not in found]
    return [_choice(request.POST if request.method == "POST" else None, c, stored.get(c.pk)) for c in found]


def _choice(data: QueryDict | None, one: Connector, member: Any) -> dict[str, Any]:
    kept = {
        n: getattr(member, n) if member else usual
        for n, usual in (("preference", 1), ("weight", 1), ("validation", ""))
    }
    if data is not None:
        kept = {n: data.get(f"{n}_{one.pk}", value) for n, value in kept.items()}
    chosen = member is not None if data is None else str(one.pk) in data.getlist("member")
    about = {"id": str(one.pk), "name": one.name, "authority": one.authority, "region": one.region}
    return {**about, **kept, "chosen": chosen}


@require_POST
@page
def member(request: HttpRequest, actor: Actor, ident: str, connector: str) -> HttpResponse:
    """Drain a member, or let it take new orders again."""
    wanted = one_of("to", request.POST.get("to", ""), ("drain", "resume"))
    done = _("It takes no new orders and finishes its own.") if wanted == "drain" else _("It takes new orders again.")
    attempt(request, lambda: actions.drain(actor, ident, connector, draining=wanted == "drain"), done)
    return redirect("pool", ident)


@require_POST
@page
def delete(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Delete a pool that no profile orders through."""
    attempt(request, lambda: actions.delete(actor, ident), _("The pool is deleted; its connectors stay."))
    return redirect("pools")


@page
def depends(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show what depends on a connector."""
    return show(request, actor, "connector_impact", {"impact": impact.of(actor, ident)})


@page
def repoint(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Preview what moves elsewhere, then move it."""
    row = connectors.get(actor, ident)
    require(actor, Permission.CONNECTOR_REPOINT, row)
    data = request.POST if request.method == "POST" else request.GET
    to, vouch = data.get("to", ""), data.get("vouch", "")
    error: ChanceryError | None = None
    if request.method == "POST":
        try:
            done = actions.repoint(actor, ident, to, data.get("previewed", ""), vouch)
        except ChanceryError as refused:
            error = refused
        else:
            messages.success(request, _moved(done))
            return redirect("connector_impact", ident)
    plan: repointing.Repointing | None = None
    if to:
        try:
            plan = repointing.preview(actor, ident, to, vouch)
        except ChanceryError as refused:
            error = error or refused
    return _repoint_page(request, actor, row, {"to": to, "vouch": vouch, "plan": plan}, error)


def _repoint_page(
    request: HttpRequest, actor: Actor, row: Connector, context: dict[str, Any], error: ChanceryError | None
) -> HttpResponse:
    plan, problems = context["plan"], getattr(error, "problems", [])
    more = {
        "connector": row,
        "targets": _targets(actor, row),
        "staying": plan.staying[: repointing.NAMED] if plan else [],
        "problems": problems,
        "error": None if problems else error,
    }
    return show(request, actor, "connector_repoint", {**context, **more}, status(error)[0] if error else 200)


def _targets(actor: Actor, row: Connector) -> list[tuple[str, str]]:
    place = {"team": row.team_id, "environment": row.environment_id}
    pools = (
        queries.visible_to(actor).filter(**place).order_by("name_key")[: queries.NAMES]
        if actor.may(Permission.POOL_VIEW)
        else []
    )
    others = connectors.visible_to(actor).filter(**place).exclude(pk=row.pk).order_by("authority", "name_key")
    found = [(str(p.pk), _("Pool: %(name)s") % {"name": p.name}) for p in pools]
    return found + [(str(c.pk), c.name) for c in others[: connectors.NAMES]]


def _moved(done: repointing.Repointing) -> str:
    text = ngettext(
        "%(number)s waiting order went to %(name)s.", "%(number)s waiting orders went to %(name)s.", done.moved
    )
    profiles = ngettext(
        "%(number)s profile orders there now.", "%(number)s profiles order there now.", len(done.profiles)
    )
    return f"{text % {'number': done.moved, 'name': done.target_name}} {profiles % {'number': len(done.profiles)}}"
