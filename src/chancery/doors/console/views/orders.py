"""Home, orders, certificates and profiles."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.certificates import actions as certificate_actions
from chancery.apps.certificates import queries as certificates
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Health
from chancery.apps.orders import actions, queries
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profile_actions
from chancery.apps.profiles import queries as profiles
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid, Problem
from chancery.core.order import ENDS, State
from chancery.doors.api.certificates import file
from chancery.doors.console.forms import model_inputs, posted
from chancery.doors.console.views.base import attempt, page, show, whole

_LISTS = ("key_types", "name_kinds", "name_suffixes")


@page
def home(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what needs a person now."""
    sick = connectors.visible_to(actor).filter(status="active").exclude(health__in=[Health.HEALTHY, Health.UNKNOWN])
    context = {
        "waiting": queries.waiting_for_people(actor),
        "sick": sick[:20],
        "worker": connectors.worker_alive(current_clock().now()),
        "expiring": certificates.listing(actor, status="expiring", size=10),
        "recent": queries.listing(actor, size=10),
    }
    return show(request, actor, "home", context)


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List orders."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("state", "connector", "profile", "search", "cursor")}
    context = {
        "page": (found := queries.listing(actor, **asked)),
        "rows": [(order, queries.why(order)) for order in found.items],
        "asked": asked,
        "states": [str(s) for s in State],
        "connectors": connectors.names(actor, asked["connector"]),
    }
    return show(request, actor, "orders", context)


@page
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Place an order from a pasted or uploaded request."""
    problems: list[Problem] = []
    if request.method == "POST":
        upload = request.FILES.get("file")
        csr: str | bytes = upload.read(200_000) if upload is not None else request.POST.get("csr", "")
        days = request.POST.get("validity_days", "")
        try:
            lasting = whole(days, "validity_days") if days else None
            ask = PlaceOrder(request.POST.get("profile", ""), csr, lasting, request.POST.get("comment", ""))
            order = place(actor, ask)
        except Invalid as error:
            problems = error.problems
        else:
            return redirect("order", str(order.pk))
    shown = "" if any(p.code == "private_key" for p in problems) else request.POST.get("csr", "")
    context = {"profiles": profiles.usable(actor), "problems": problems, "posted": request.POST, "csr": shown}
    return show(request, actor, "order_new", context, 422 if problems else 200)


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show an order with its timeline; the same page in part for the live update."""
    order = queries.get(actor, ident)
    certificate = certificates.visible_to(actor).filter(order=order).first() if order.state == State.ISSUED else None
    context = {
        "order": order,
        "why": queries.why(order),
        "events": queries.timeline(order),
        "certificate": certificate,
        "live": order.state not in ENDS,
        "own": order.requested_by_id == actor.user,
        "late": order.deadline_at <= current_clock().now(),
    }
    if not request.headers.get("HX-Request"):
        return show(request, actor, "order", context)
    part = show(request, actor, "order_live", context)
    if request.GET.get("seen", order.state) != order.state:
        # Other buttons now: the whole page. Until then nothing that somebody is typing is touched.
        part.headers["HX-Refresh"] = "true"
    return part


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Approve, deny, cancel, adopt or give up."""
    text = request.POST.get("text", "")
    verbs: dict[str, tuple[Any, str]] = {
        "approve": (lambda: actions.approve(actor, ident), _("It is approved and goes to the CA.")),
        "deny": (lambda: actions.deny(actor, ident, text), _("It is denied.")),
        "cancel": (lambda: actions.cancel(actor, ident), _("Its cancellation is asked for.")),
        "adopt": (lambda: actions.adopt(actor, ident, text), _("The CA is asked for that order.")),
        "give-up": (lambda: actions.give_up(actor, ident, text), _("It is given up.")),
    }
    if what not in verbs:
        raise Absent("page", what)
    attempt(request, *verbs[what])
    return redirect("order", ident)


@page
def certificate_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List certificates."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("status", "search", "cursor")}
    found = certificates.listing(actor, **asked)
    rows = [(c, certificates.status(c)) for c in found.items]
    return show(request, actor, "certificates", {"page": found, "rows": rows, "asked": asked})


@page
def certificate(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a certificate."""
    row = certificates.get(actor, ident)
    descriptor = descriptor_of(row.connector.authority, row.connector.current_id)
    context = {
        "certificate": row,
        "status": certificates.status(row),
        "pem": certificates.chain_pem(row),
        "can_revoke": "revokes" in descriptor.powers and row.revocation in {"", "refused"},
        "reasons": [str(r) for r in descriptor.facts.revocation_reasons],
    }
    return show(request, actor, "certificate", context)


@page
def download(request: HttpRequest, actor: Actor, ident: str, kind: str) -> HttpResponse:
    """Download a certificate."""
    del request
    return file(certificates.get(actor, ident), kind)


@require_POST
@page
def revoke(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Ask for a revocation."""
    reason, comment = request.POST.get("reason", ""), request.POST.get("comment", "")
    attempt(
        request, lambda: certificate_actions.revoke(actor, ident, reason, comment), _("The CA is asked to revoke it.")
    )
    return redirect("certificate", ident)


@require_POST
@page
def renew(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Order a replacement."""
    try:
        order = certificate_actions.renew(actor, ident, request.POST.get("csr") or None)
    except ChanceryError as error:
        messages.error(request, f"{error} {error.remedy}".strip())
        return redirect("certificate", ident)
    messages.success(request, _("A replacement is ordered; the old certificate stays valid."))
    return redirect("order", str(order.pk))


@page
def profile_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List profiles."""
    found = profiles.listing(actor, cursor=request.GET.get("cursor", ""))
    return show(request, actor, "profiles", {"page": found})


@page
def profile_edit(request: HttpRequest, actor: Actor, ident: str = "") -> HttpResponse:
    """Create or edit a profile."""
    row = profiles.get(actor, ident) if ident else None
    wanted = request.POST.get("connector") or request.GET.get("connector", "") or _first(row)
    usable = list(connectors.usable_connectors(actor).order_by("name")[:200])
    chosen = next((c for c in usable if str(c.pk) == wanted), usable[0] if usable else None)
    problems: list[Problem] = []
    if request.method == "POST" and chosen is not None:
        try:
            return _save_profile(request, actor, row, chosen)
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


_NUMBERS = ("validity_days", "validity_days_max", "max_names", "deadline_hours")
_SWITCHED = ("wildcard", "needs_approval")


def _typed(request: HttpRequest) -> dict[str, Any]:
    """Return a profile's form as it was sent, so that a refusal costs nobody their typing."""
    data = request.POST
    texts = {n: data.get(n, "") for n in ("name", "description", "revision", *_NUMBERS, *_LISTS)}
    return {**texts, **{n: data.get(n) == "on" for n in _SWITCHED}}


def _present(row: Any) -> dict[str, Any]:
    if row is None:
        usual = {"validity_days": 90, "validity_days_max": 199, "max_names": 100, "deadline_hours": 24}
        blank = {"name": "", "description": "", "revision": 0, "wildcard": False, "needs_approval": False}
        return {**blank, "name_kinds": "dns", **usual}
    found = {n: getattr(row, n) for n in ("name", "description", "revision", *_NUMBERS, *_SWITCHED)}
    return {**found, **{n: ", ".join(getattr(row, n)) for n in _LISTS}}


def _first(row: Any) -> str:
    found = profiles.members(row) if row else []
    return str(found[0].pk) if found else ""


def _save_profile(request: HttpRequest, actor: Actor, row: Any, chosen: Any) -> HttpResponse:
    data = request.POST
    values: dict[str, Any] = {n: data[n] for n in ("name", "description") if n in data}
    values |= {n: whole(data[n], n) for n in _NUMBERS if data.get(n)}
    values |= {n: [p.strip() for p in data.get(n, "").split(",") if p.strip()] for n in _LISTS}
    values |= {n: data.get(n) == "on" for n in _SWITCHED}
    values |= {"connector": str(chosen.pk), "product": posted(catalog.get(chosen.authority).profile, data)}
    if row is None:
        profile_actions.create(actor, values)
    else:
        profile_actions.edit(actor, str(row.pk), whole(data.get("revision", ""), "revision"), values)
    messages.success(request, _("The profile is saved."))
    return redirect("profiles")


@require_POST
@page
def profile_delete(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Delete a profile that no open order uses."""
    attempt(request, lambda: profile_actions.delete(actor, ident), _("The profile is deleted."))
    return redirect("profiles")
