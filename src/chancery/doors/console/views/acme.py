"""The ACME server in the console: offers, credentials, accounts, and what they ordered."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts.permissions import Permission
from chancery.apps.acme import actions, queries
from chancery.apps.acme.models import Challenge, Offer
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, Invalid, Problem
from chancery.doors.console import picking
from chancery.doors.console.views.base import attempt, page, require, show, whole


@page
def overview(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the first of the profiles that are offered, and the credentials."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("search", "cursor")}
    found, now = queries.listing(actor, **asked), current_clock().now()
    context = {
        "page": found,
        "rows": [(row, queries.status(row, now)) for row in found.items],
        "asked": asked,
        "offered": queries.offer_listing(actor),
        "directory": f"{settings.ACME_URL}/acme/directory" if settings.ACME_URL else "",
    }
    return show(request, actor, "acme", context)


@page
def offers(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List every profile that is offered."""
    return show(
        request, actor, "acme_offers", {"page": queries.offer_listing(actor, cursor=request.GET.get("cursor", ""))}
    )


@page
def offer(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Offer a profile, or change how its names are validated."""
    require(actor, Permission.ACME_MANAGE)
    chosen = request.POST.get("profile") or request.GET.get("profile", "")
    problems: list[Problem] = []
    if request.method == "POST":
        data = request.POST
        networks = data.get("networks", "").replace(",", " ").split()
        try:
            row = actions.offer(
                actor,
                chosen,
                challenges=data.getlist("challenges"),
                networks=networks,
                listed="listed" in data,
                any_name="any_name" in data,
            )
        except Invalid as error:
            problems = error.problems
        except Absent:
            problems = [picking.unknown(actor, "seen-profiles", chosen)]
        else:
            messages.success(request, _("ACME clients may order with %(name)s.") % {"name": row.profile.name})
            return redirect("acme")
    known = queries.visible_offers(actor).filter(pk=queries.key_of(chosen)).first()
    stored = _stored(known) if known else {}
    context = {
        "chosen": chosen,
        "pick": picking.pick("seen-profiles", actor, chosen),
        "kinds": Challenge.choices,
        "values": {**request.POST.dict(), "challenges": request.POST.getlist("challenges")} if problems else stored,
        "problems": problems,
        "known": known,
    }
    return show(request, actor, "acme_offer", context, 422 if problems else 200)


def _stored(row: Offer) -> dict[str, Any]:
    networks = " ".join(row.networks)
    return {"challenges": row.challenges, "networks": networks, "listed": row.listed, "any_name": row.any_name}


@require_POST
@page
def withdraw(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Offer a profile no longer."""
    attempt(request, lambda: actions.withdraw(actor, ident), _("It is not offered any more."))
    return redirect("acme")


@page
def create(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Make a credential and show its MAC key, this once."""
    require(actor, Permission.ACME_MANAGE)
    require(actor, Permission.ORDER_PLACE)
    problems: list[Problem] = []
    if request.method == "POST":
        data = request.POST
        try:
            numbers = {n: whole(data.get(n, ""), n) for n in ("accounts", "orders_per_hour", "days")}
            row, secret = actions.create_credential(
                actor, data.get("name", ""), profile=data.get("profile", ""), **numbers
            )
        except Invalid as error:
            problems = error.problems
        except Absent:
            problems = [picking.unknown(actor, "offers", data.get("profile", ""))]
        else:
            context = {"credential": row, "secret": secret, "directory": f"{settings.ACME_URL}/acme/directory"}
            return show(request, actor, "acme_secret", context)
    context = {
        "pick": picking.pick("offers", actor, request.POST.get("profile", "")),
        "values": request.POST or {"accounts": 1, "orders_per_hour": actions.USUAL_ORDERS, "days": 0},
        "problems": problems,
    }
    return show(request, actor, "acme_create", context, 422 if problems else 200)


@page
def credential(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a credential with its accounts."""
    row = queries.get(actor, ident)
    context = {
        "credential": row,
        "standing": queries.status(row, current_clock().now()),
        "page": queries.accounts(actor, ident, cursor=request.GET.get("cursor", "")),
    }
    return show(request, actor, "acme_credential", context)


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Revoke a credential."""
    if what != "revoke":
        raise Absent("page", what)
    attempt(request, lambda: actions.revoke_credential(actor, ident), _("It is revoked, and so are its accounts."))
    return redirect("acme_credential", ident)


@page
def account(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show an account and what it ordered."""
    row = queries.account(actor, ident)
    context = {"account": row, "page": queries.orders(actor, ident, cursor=request.GET.get("cursor", ""))}
    return show(request, actor, "acme_account", context)


@require_POST
@page
def account_act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Revoke an account."""
    if what != "revoke":
        raise Absent("page", what)
    attempt(request, lambda: actions.revoke_account(actor, ident), _("It is revoked."))
    return redirect("acme_account", ident)
