"""Profiles."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.connectors import queries as connectors
from chancery.apps.profiles import actions, queries
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Conflict, Invalid, Problem
from chancery.doors.console.forms import model_inputs, posted
from chancery.doors.console.views.base import attempt, page, show, whole

_LISTS = ("key_types", "name_kinds", "name_suffixes")


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List queries."""
    found = queries.listing(actor, cursor=request.GET.get("cursor", ""))
    return show(request, actor, "profiles", {"page": found})


@page
def edit(request: HttpRequest, actor: Actor, ident: str = "") -> HttpResponse:
    """Create or edit a profile."""
    row = queries.get(actor, ident) if ident else None
    wanted = request.POST.get("connector") or request.GET.get("connector", "") or _first(row)
    usable = list(connectors.usable_connectors(actor).order_by("name")[:200])
    chosen = next((c for c in usable if str(c.pk) == wanted), usable[0] if usable else None)
    problems: list[Problem] = []
    if request.method == "POST" and chosen is not None:
        try:
            return _save(request, actor, row, chosen)
        except Invalid as error:
            problems = error.problems
        except Conflict as error:
            problems = [Problem("name", error.detail, error.remedy)]
    typed = request.method == "POST"
    product = row.products.get(chosen.authority, {}) if row and chosen else {}
    model = catalog.get(chosen.authority).profile if chosen else None
    given = posted(model, request.POST) if typed and model else product
    context = {
        "profile": row,
        "values": _typed(request) if typed else _present(row),
        "connectors": usable,
        "chosen": chosen,
        "type": catalog.get(chosen.authority) if chosen else None,
        "inputs": [i for _g, i in model_inputs(model, given)] if model else [],
        "problems": problems,
    }
    return show(request, actor, "profile_form", context, 422 if problems else 200)


_NUMBERS = ("validity_days", "validity_days_max", "max_names")
_SWITCHED = ("wildcard", "needs_approval")


def _typed(request: HttpRequest) -> dict[str, Any]:
    """Return a profile's form as it was sent, so that a refusal costs nobody their typing."""
    data = request.POST
    texts = {n: data.get(n, "") for n in ("name", "description", "revision", *_NUMBERS, *_LISTS)}
    return {**texts, **{n: data.get(n) == "on" for n in _SWITCHED}}


def _present(row: Any) -> dict[str, Any]:
    if row is None:
        usual = {"validity_days": 90, "validity_days_max": 199, "max_names": 100, "name_kinds": "dns"}
        return {"name": "", "description": "", "revision": 0, "wildcard": False, "needs_approval": False, **usual}
    found = {n: getattr(row, n) for n in ("name", "description", "revision", *_NUMBERS, *_SWITCHED)}
    return {**found, **{n: ", ".join(getattr(row, n)) for n in _LISTS}}


def _first(row: Any) -> str:
    found = queries.members(row) if row else []
    return str(found[0].pk) if found else ""


def _save(request: HttpRequest, actor: Actor, row: Any, chosen: Any) -> HttpResponse:
    data = request.POST
    values: dict[str, Any] = {n: data[n] for n in ("name", "description") if n in data}
    values |= {n: whole(data[n], n) for n in _NUMBERS if data.get(n)}
    values |= {n: [p.strip() for p in data.get(n, "").split(",") if p.strip()] for n in _LISTS}
    values |= {n: data.get(n) == "on" for n in _SWITCHED}
    values |= {"connector": str(chosen.pk), "product": posted(catalog.get(chosen.authority).profile, data)}
    if row is None:
        actions.create(actor, values)
    else:
        actions.edit(actor, str(row.pk), whole(data.get("revision", ""), "revision"), values)
    messages.success(request, _("The profile is saved."))
    return redirect("profiles")


@require_POST
@page
def delete(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Delete a profile that no open order uses."""
    attempt(request, lambda: actions.delete(actor, ident), _("The profile is deleted."))
    return redirect("profiles")
