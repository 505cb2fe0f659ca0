"""Profiles."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.profiles import actions, queries
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals.models import Policy
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import starting
from chancery.apps.shared.texts import fold
from chancery.core.errors import Conflict, Invalid, Problem
from chancery.doors.console.forms import as_typed, model_inputs, posted, readable
from chancery.doors.console.views.base import attempt, page, require, show, whole

_LISTS = ("key_types", "name_kinds", "name_suffixes")
_NUMBERS = ("validity_days", "validity_days_max", "max_names", "deadline_hours", "approvals", "renewal_share")
_SWITCHES = ("wildcard", "needs_approval")
_TEXTS = ("name", "description", "renewal")
_POSTED = {"renewal": "when_due"}
"""How the form calls a field, where authorities have settings of the same name."""
OWN = frozenset(
    {*(_POSTED.get(n, n) for n in (*_TEXTS, *_NUMBERS, *_LISTS, *_SWITCHES)), "connector", "revision", "seen"}
)
"""The names of the form's own inputs; those of an authority's settings stand beside them."""


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List profiles."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("search", "cursor")}
    found = queries.listing(actor, **asked)
    goes_to = queries.routes(found.items)
    rows = [(p, goes_to.get(p.pk)) for p in found.items]
    return show(request, actor, "profiles", {"page": found, "rows": rows, "asked": asked})


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show what may be asked, and where it goes."""
    row = queries.get(actor, ident)
    products = [
        (catalog.get(slug).title, readable(catalog.get(slug).profile, values, frozenset()))
        for slug, values in sorted(row.products.items())
    ]
    context = {"profile": row, "members": queries.members(row), "products": products}
    return show(request, actor, "profile", context)


@page
def create(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Create a profile."""
    require(actor, Permission.PROFILE_CREATE)
    return _edit(request, actor, None)


@page
def edit(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Edit a profile; who comes second sees what the first changed, and decides."""
    row = queries.get(actor, ident)
    require(actor, Permission.PROFILE_EDIT, row)
    return _edit(request, actor, row)


def _edit(request: HttpRequest, actor: Actor, row: Profile | None) -> HttpResponse:
    if request.method != "POST":
        return _form(request, actor, row, [])
    try:
        saved = _save(request, actor, row)
    except Invalid as error:
        return _form(request, actor, row, error.problems)
    except Conflict as error:
        return _form(request, actor, row, [], error)
    messages.success(request, _("The profile is saved."))
    return redirect("profile", saved.pk)


def _save(request: HttpRequest, actor: Actor, row: Profile | None) -> Profile:
    data = request.POST
    texts = {n: _POSTED.get(n, n) for n in _TEXTS}
    values: dict[str, Any] = {n: data[posted_as] for n, posted_as in texts.items() if posted_as in data}
    values |= {n: whole(data[n], n) for n in _NUMBERS if data.get(n)}
    values |= {n: [p.strip() for p in data.get(n, "").split(",") if p.strip()] for n in _LISTS}
    values |= {n: data.get(n) == "on" for n in _SWITCHES}
    # The very connector that the form was made for; the action says no to one that is not to be used.
    wanted = data.get("connector", "")
    model = catalog.get(connectors.get(actor, wanted).authority).profile
    values |= {"connector": wanted, "product": posted(model, data)}
    values |= {"confirm_environment": data.get("confirm_environment", "")}
    if row is None:
        return actions.create(actor, values)
    revision = whole(data.get("seen") or data.get("revision", ""), "revision")
    return actions.edit(actor, str(row.pk), revision, values)


def _form(
    request: HttpRequest, actor: Actor, row: Profile | None, problems: list[Problem], stale: Conflict | None = None
) -> HttpResponse:
    present = queries.members(row) if row else []
    offered, chosen = _offered(request, actor, present)
    typed = request.method == "POST"
    model = catalog.get(chosen.authority).profile if chosen else None
    stored = row.products.get(chosen.authority, {}) if row and chosen else {}
    values = _typed(request) if typed else _present(row)
    product = posted(model, request.POST) if typed and model else stored
    moves = bool(row and chosen and chosen.environment_id != row.environment_id)
    context = {
        "profile": row,
        "values": values,
        "connectors": offered,
        "present": present,
        "chosen": chosen,
        "find": request.GET.get("find", ""),
        "renewals": Policy.choices,
        "moves": moves,
        "type": catalog.get(chosen.authority) if chosen else None,
        "inputs": [i for _g, i in model_inputs(model, product)] if model else [],
        "problems": problems,
        "stale": stale,
        "differences": _differences(row, values, product, stored) if row and stale else [],
    }
    return show(request, actor, "profile_form", context, 409 if stale else 422 if problems else 200)


def _offered(request: HttpRequest, actor: Actor, present: list[Connector]) -> tuple[list[Connector], Connector | None]:
    """Return the connectors to choose from, those that the profile has among them whatever their state, and the chosen one."""
    usable = connectors.usable_connectors(actor).order_by("authority", "name_key")
    find = request.GET.get("find", "")
    found = list((usable.filter(starting(fold(find)).on("name_key")) if find else usable)[: connectors.NAMES])
    offered = present + [c for c in found if c not in present]
    wanted = request.POST.get("connector") or request.GET.get("connector", "")
    if not wanted:
        return offered, offered[0] if offered else None
    chosen = connectors.get(actor, wanted)
    return (offered if chosen in offered else [chosen, *offered]), chosen


def _differences(
    row: Profile, values: dict[str, Any], product: dict[str, Any], stored: dict[str, Any]
) -> list[tuple[str, str, str]]:
    """Return field, present value, and typed value where they differ."""
    present = {**_present(row), **stored}
    mine = {**values, **product}
    names = [n for n in mine if n != "revision" and as_typed(present.get(n)) != as_typed(mine[n])]
    return [(n, as_typed(present.get(n)), as_typed(mine[n])) for n in names]


def _typed(request: HttpRequest) -> dict[str, Any]:
    """Return a profile's form as it was sent, so that a refusal costs nobody their typing."""
    data = request.POST
    texts = {n: data.get(_POSTED.get(n, n), "") for n in (*_TEXTS, "revision", *_NUMBERS, *_LISTS)}
    return {**texts, **{n: data.get(n) == "on" for n in _SWITCHES}}


def _present(row: Profile | None) -> dict[str, Any]:
    if row is None:
        usual = {"validity_days": 90, "validity_days_max": 199, "max_names": 100, "deadline_hours": 24}
        usual |= {"renewal_share": 67, "approvals": 1}
        blank = {"name": "", "description": "", "revision": 0, "wildcard": False, "needs_approval": False}
        blank |= {"renewal": Policy.NOTICE}
        return {**blank, "name_kinds": "dns", **usual}
    found = {n: getattr(row, n) for n in (*_TEXTS, "revision", *_NUMBERS, *_SWITCHES)}
    return {**found, **{n: ", ".join(getattr(row, n)) for n in _LISTS}}


@require_POST
@page
def delete(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Delete a profile that no open order uses."""
    attempt(request, lambda: actions.delete(actor, ident), _("The profile is deleted."))
    return redirect("profiles")
