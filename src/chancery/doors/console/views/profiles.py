"""Profiles."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector, Pool
from chancery.apps.pools import queries as pools
from chancery.apps.profiles import actions, queries
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals.models import Policy
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import starting
from chancery.apps.shared.texts import fold
from chancery.core.errors import Conflict, Invalid, Problem
from chancery.doors.console.forms import Input, as_typed, model_inputs, posted, readable
from chancery.doors.console.views.base import attempt, page, require, show, whole

_LISTS = ("key_types", "name_kinds", "name_suffixes")
_NUMBERS = ("validity_days", "validity_days_max", "max_names", "deadline_hours", "approvals", "renewal_share")
_SWITCHES = ("wildcard", "needs_approval")
_TEXTS = ("name", "description", "renewal", "region")
_POSTED = {"renewal": "when_due", "region": "prefer_region"}
"""How the form calls a field, where authorities have settings of the same name."""
OWN = frozenset(
    {*(_POSTED.get(n, n) for n in (*_TEXTS, *_NUMBERS, *_LISTS, *_SWITCHES)), "connector", "pool", "revision", "seen"}
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
    values |= _where(actor, data)
    values |= {"confirm_environment": data.get("confirm_environment", "")}
    if row is None:
        return actions.create(actor, values)
    revision = whole(data.get("seen") or data.get("revision", ""), "revision")
    return actions.edit(actor, str(row.pk), revision, values)


def _where(actor: Actor, data: QueryDict) -> dict[str, Any]:
    """Return the connector or pool that the form was made for, with the settings of its types of CA."""
    if data.get("pool"):
        pool = pools.get(actor, data["pool"])
        slugs = {m.connector.authority for m in pools.members(pool)}
        products = {slug: posted(catalog.get(slug).profile, _below(data, slug)) for slug in slugs}
        # What was left empty altogether is a type of CA that this profile is not for.
        return {
            "pool": str(pool.pk),
            "products": {slug: found for slug, found in products.items() if any(found.values())},
        }
    wanted = data.get("connector", "")
    model = catalog.get(connectors.get(actor, wanted).authority).profile
    return {"connector": wanted, "product": posted(model, data)}


def _below(data: QueryDict, slug: str) -> dict[str, Any]:
    """Return what the form sent of one type of CA's settings."""
    start = f"products.{slug}."
    return {name.removeprefix(start): value for name, value in data.items() if name.startswith(start)}


def _pool_inputs(pool: Pool, products: dict[str, dict[str, Any]]) -> list[Input]:
    """Return the inputs of every type of CA in a pool, each under its own name."""
    found = []
    for slug in dict.fromkeys(m.connector.authority for m in pools.members(pool)):
        descriptor = catalog.get(slug)
        for _group, one in model_inputs(descriptor.profile, products.get(slug, {})):
            one.name, one.title = f"products.{slug}.{one.name}", f"{descriptor.title}: {one.title}"
            one.dynamic, one.only = False, ""
            found.append(one)
    return found


def _form(
    request: HttpRequest, actor: Actor, row: Profile | None, problems: list[Problem], stale: Conflict | None = None
) -> HttpResponse:
    present = queries.members(row) if row and not row.pool.shared else []
    pool = _chosen_pool(request, actor, row)
    offered, chosen = _offered(request, actor, present, other=pool is not None)
    typed = request.method == "POST"
    values = _typed(request) if typed else _present(row)
    inputs, product, stored = _inputs(request, row, chosen, pool)
    place = pool or chosen
    context = {
        "profile": row,
        "values": values,
        "connectors": offered,
        "pools": pools.usable(actor, request.GET.get("find", "")) if actor.may(Permission.POOL_VIEW) else [],
        "pool": pool,
        "present": present,
        "chosen": chosen,
        "place": place,
        "find": request.GET.get("find", ""),
        "renewals": Policy.choices,
        "moves": bool(row and place and place.environment_id != row.environment_id),
        "type": catalog.get(chosen.authority) if chosen else None,
        "inputs": inputs,
        "problems": problems,
        "stale": stale,
        "differences": _differences(row, values, product, stored) if row and stale else [],
    }
    return show(request, actor, "profile_form", context, 409 if stale else 422 if problems else 200)


def _inputs(
    request: HttpRequest, row: Profile | None, chosen: Connector | None, pool: Pool | None
) -> tuple[list[Input], dict[str, Any], dict[str, Any]]:
    """Return the inputs of the types of CA, and for one connector what was typed and what is stored."""
    typed = request.method == "POST"
    if pool is not None:
        slugs = {m.connector.authority for m in pools.members(pool)}
        sent = {slug: posted(catalog.get(slug).profile, _below(request.POST, slug)) for slug in slugs}
        return _pool_inputs(pool, sent if typed else row.products if row else {}), {}, {}
    if chosen is None:
        return [], {}, {}
    model = catalog.get(chosen.authority).profile
    stored = row.products.get(chosen.authority, {}) if row else {}
    product = posted(model, request.POST) if typed else stored
    return [i for _g, i in model_inputs(model, product)], product, stored


def _chosen_pool(request: HttpRequest, actor: Actor, row: Profile | None) -> Pool | None:
    """Return the pool that is chosen, or that the profile has while nothing else is chosen; None for a connector alone."""
    wanted = request.POST.get("pool") or request.GET.get("connector", "")
    if request.method == "POST" and not request.POST.get("pool"):
        return None
    if not wanted and row is not None and row.pool.shared:
        return row.pool
    return pools.find(pools.visible_to(actor), wanted) if wanted and actor.may(Permission.POOL_VIEW) else None


def _offered(
    request: HttpRequest, actor: Actor, present: list[Connector], *, other: bool
) -> tuple[list[Connector], Connector | None]:
    """Return the connectors to choose from, those that the profile has among them whatever their state, and the chosen one.

    None is chosen where a pool (`other`) is.
    """
    usable = connectors.usable_connectors(actor).order_by("authority", "name_key")
    find = request.GET.get("find", "")
    found = list((usable.filter(starting(fold(find)).on("name_key")) if find else usable)[: connectors.NAMES])
    offered = present + [c for c in found if c not in present]
    if other:
        return offered, None
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
        blank |= {"renewal": Policy.NOTICE, "region": ""}
        return {**blank, "name_kinds": "dns", **usual}
    found = {n: getattr(row, n) for n in (*_TEXTS, "revision", *_NUMBERS, *_SWITCHES)}
    return {**found, **{n: ", ".join(getattr(row, n)) for n in _LISTS}}


@require_POST
@page
def delete(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Delete a profile that no open order uses."""
    attempt(request, lambda: actions.delete(actor, ident), _("The profile is deleted."))
    return redirect("profiles")
