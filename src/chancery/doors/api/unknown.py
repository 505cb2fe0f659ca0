"""Unknown outcomes over REST: the evidence, ordering again by two people; and why an order stands where it stands."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest

from chancery.apps.orders import actions, evidence, explaining, queries
from chancery.apps.orders.models import AgainRequest, EarlierCall
from chancery.apps.shared.action import current_clock
from chancery.core.again import call_reference
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api import unknown_documents as documents
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes

router = Routes(tags=["orders"])
Answer = dict[str, Any]


@router.get("/again-requests", response=documents.AgainRequests)
def again_requests(request: HttpRequest) -> Answer:
    """List the requests to order again that wait for a second person."""
    return {"items": [_request(row) for row in queries.asked_again(actor(request), current_clock().now())]}


@router.get("/orders/{ident}/explanation", response=documents.Explanation)
def explanation(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Say why an order stands where it stands, what it waits for, and what makes it go on."""
    order = queries.get(actor(request), ident)
    return {"state": order.state, **asdict(explaining.of(order, current_clock().now()))}


@router.get("/orders/{ident}/evidence", response=documents.Evidence)
def known(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show what was sent for an order, what came back, what the CA's search found, and how it settles."""
    found = evidence.of(queries.get(actor(request), ident), current_clock().now())
    sent, settling = asdict(found.sent), asdict(found.settling)
    return {
        "sent": {"settings_version": sent.pop("version"), **sent},
        "arrived": asdict(found.arrived) if found.arrived is not None else None,
        "searches": [asdict(one) for one in found.searches],
        "settling": {"search_lag_seconds": settling.pop("search_lag").total_seconds(), **settling},
        "risk": list(found.risk),
        "request": _request(found.request) if found.request is not None else None,
        "earlier": [_earlier(row) for row in found.earlier],
    }


@router.post("/orders/{ident}/order-again", response=answers.Order, problems=(409,))
def order_again(request: HttpRequest, ident: parameters.Ident, body: bodies.ReasonIn) -> Answer:
    """Ask that an order with an unknown outcome be sent anew, with a reason; a second person has to confirm it."""
    return show.order(actions.order_again(actor(request), ident, body.reason))


@router.post("/orders/{ident}/confirm-again", response=answers.Order, problems=(409,))
def confirm_again(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Agree as the second person that the order is sent anew."""
    return show.order(actions.confirm_again(actor(request), ident))


@router.post("/orders/{ident}/refuse-again", response=answers.Order, problems=(409,))
def refuse_again(request: HttpRequest, ident: parameters.Ident, body: bodies.ReasonIn) -> Answer:
    """Refuse as the second person that the order is sent anew, with a reason."""
    return show.order(actions.refuse_again(actor(request), ident, body.reason))


def _request(row: AgainRequest) -> Answer:
    times = {n: getattr(row, n) for n in ("asked_at", "reason", "expires_at")}
    order = {"order": str(row.order_id), "common_name": row.order.common_name}
    return {**order, "asked_by": str(row.asked_by), **times}


def _earlier(row: EarlierCall) -> Answer:
    names = ("submitted_at", "ca_reference", "reason", "decided_at", "state", "looks", "looked_at", "text")
    finding = str(row.finding_id) if row.finding_id else None
    more = {"reference": call_reference(row.order_id, row.number), "next_look_at": row.due_at, "finding": finding}
    return {**{n: getattr(row, n) for n in names}, **more}
