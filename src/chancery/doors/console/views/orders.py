"""Orders."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts.permissions import Permission
from chancery.apps.acme import queries as acme
from chancery.apps.bots import queries as bots
from chancery.apps.bots.models import OPEN
from chancery.apps.certificates import queries as certificates
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions, anew, causing, evidence, explaining, queries
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import queries as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, Invalid, Problem
from chancery.core.order import ENDS, State
from chancery.doors.console import picking
from chancery.doors.console.views.base import attempt, page, require, show, whole
from chancery.doors.console.views.certificates import key_reports_of


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List orders."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("state", "connector", "profile", "search", "cursor")}
    context = {
        "page": (found := queries.listing(actor, **asked)),
        "rows": (rows := [(order, queries.why(order)) for order in found.items]),
        "waits": any(why for _order, why in rows),
        "asked": asked,
        "states": [str(s) for s in State],
        "unknown": queries.unknown(actor),
        "connectors": connectors.names(actor, asked["connector"]),
    }
    return show(request, actor, "orders", context)


@page
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Place an order from a pasted or uploaded request."""
    require(actor, Permission.ORDER_PLACE)
    problems: list[Problem] = []
    if request.method == "POST":
        upload = request.FILES.get("file")
        csr: str | bytes = upload.read(200_000) if upload is not None else request.POST.get("csr", "")
        days, wanted = request.POST.get("validity_days", ""), request.POST.get("profile", "")
        try:
            lasting = whole(days, "validity_days") if days else None
            asked = (wanted, csr, lasting, request.POST.get("comment", ""))
            ask = PlaceOrder(*asked, idem_key=_once(request.POST.get("form", ""), asked))
            order = place(actor, ask)
        except Invalid as error:
            problems = error.problems
        except Absent as error:
            if error.kind != "profile":
                raise
            problems = [picking.unknown(actor, "profiles", wanted)]
        else:
            return redirect("order", str(order.pk))
    shown = "" if any(p.code == "private_key" for p in problems) else request.POST.get("csr", "")
    chosen = request.POST.get("profile") or request.GET.get("profile", "")
    context = {
        "pick": picking.pick("profiles", actor, chosen, told=_told),
        "problems": problems,
        "posted": request.POST,
        "csr": shown,
        "form": request.POST.get("form") or uuid4().hex,
    }
    return show(request, actor, "order_new", context, 422 if problems else 200)


def _told(rows: list[Profile]) -> list[tuple[str, str, str]]:
    """Return id, name and text of profiles to order with."""
    goes_to = profiles.routes(rows)
    return [(str(p.pk), p.name, _where(p, goes_to.get(p.pk))) for p in rows]


def _where(row: Profile, connector: Connector | None) -> str:
    about = {"name": row.name, "environment": row.environment}
    if connector is None or not connector.usable:
        return _("%(name)s (%(environment)s; waits: its connector is inactive)") % about
    return f"{row.name} ({row.environment})"


def _once(form: str, asked: tuple[object, ...]) -> str | None:
    """Return an idempotency key: the same form, sent again with the same values, is the same order."""
    return f"form-{hashlib.sha256(repr((form, asked)).encode()).hexdigest()[:40]}" if form else None


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show an order with its timeline; the same page in part for the live update."""
    order = queries.get(actor, ident)
    certificate = certificates.visible_to(actor).filter(order=order).first() if order.state == State.ISSUED else None
    deployment = bots.of_order(actor, order.pk)
    going = deployment is not None and deployment.state in OPEN
    now = current_clock().now()
    known = evidence.of(order, now)
    asked, kept_out = known.request, causing.said_to(order, actor.user)
    seen = f"{order.state}-asked" if asked is not None else order.state
    context = {
        "explanation": explaining.of(order, now),
        "evidence": known,
        "show_evidence": order.state == State.OUTCOME_UNKNOWN or bool(known.earlier),
        "asked": asked,
        "second": asked is not None and not kept_out and actor.user != asked.asked_by_id,
        "seen": seen,
        "order": order,
        **key_reports_of(order),
        "why": queries.why(order),
        "events": bots.timeline(deployment) if deployment else queries.timeline(order),
        "deployment": deployment,
        "acme": acme.of_order(actor, order),
        "certificate": certificate,
        "live": order.state not in ENDS or going,
        "given": order.given.order_by("pk"),
        "causes": causing.told(order),
        "kept_out": kept_out,
        "wanted_by": (order.state not in ENDS or going) and not order.asks,
        "late": order.deadline_at <= now,
        "cancels": queries.cancels(order),
        "stuck": queries.stuck(order),
        "releases": queries.releases(order),
        "approval_waits": anew.waits(order, now),
    }
    if not request.headers.get("HX-Request"):
        return show(request, actor, "order", context)
    part = show(request, actor, "order_live", context)
    if request.GET.get("seen", seen) != seen:
        # Other buttons now: the whole page. Until then nothing that somebody is typing is touched.
        part.headers["HX-Refresh"] = "true"
    return part


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Approve, deny, take an approval back, cancel, release, confirm, adopt, give up, or order again by two people."""
    text = request.POST.get("text", "")
    verbs: dict[str, tuple[Any, str]] = {
        "approve": (lambda: actions.approve(actor, ident), _("Your approval is noted.")),
        "take-back": (lambda: actions.take_back(actor, ident, text), _("The approval counts no more.")),
        "deny": (lambda: actions.deny(actor, ident, text), _("It is denied.")),
        "cancel": (lambda: actions.cancel(actor, ident), _("Its cancellation is asked for.")),
        "release": (lambda: actions.release(actor, ident), _("The CA is asked to issue it.")),
        "confirm": (lambda: actions.confirm(actor, ident), _("It is accepted and goes to the CA.")),
        "adopt": (lambda: actions.adopt(actor, ident, text), _("The CA is asked for that order.")),
        "order-again": (
            lambda: actions.order_again(actor, ident, text),
            _("It is asked for; a second person has to confirm it."),
        ),
        "confirm-again": (lambda: actions.confirm_again(actor, ident), _("It goes to the CA once more.")),
        "refuse-again": (lambda: actions.refuse_again(actor, ident, text), _("It is not ordered again.")),
        "give-up": (lambda: actions.give_up(actor, ident, text), _("It is given up.")),
    }
    if what not in verbs:
        raise Absent("page", what)
    attempt(request, *verbs[what])
    return redirect("order", ident)
