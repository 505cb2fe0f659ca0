"""Orders over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from chancery.apps.orders import actions, queries
from chancery.apps.orders.grouping import place_grouped
from chancery.apps.orders.place import PlaceOrder, place_many
from chancery.core.errors import ChanceryError, Invalid
from chancery.doors.api import show
from chancery.doors.api.body import actor, integer, mapping, text
from chancery.doors.problems import problem, status

router = Router(tags=["orders"])
MAX_BATCH = 1000
MAX_WAIT = 60
Whole = dict[str, Any]


@router.post("/orders", response={200: Whole, 201: Whole})
def place(request: HttpRequest) -> Status[Whole]:
    """Place an order. `Idempotency-Key` makes a repeat return the same order; `Prefer: wait=N` waits for it."""
    who = actor(request)
    order = place_grouped(who, _ask(mapping(request), request.headers.get("Idempotency-Key")))
    code = 200 if getattr(order, "repeated", False) else 201
    seconds = _wait(request.headers.get("Prefer", ""))
    if seconds:
        order = queries.wait(who, order.pk, seconds)
        return Status(code, show.whole_order(order, queries.timeline(order)))
    return Status(code, show.order(order))


@router.post("/orders/batch")
def batch(request: HttpRequest) -> Whole:
    """Place up to a thousand orders; each has its own key and its own result."""
    items = mapping(request).get("orders")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_BATCH:
        raise Invalid.one("orders", f"Send a list of 1 to {MAX_BATCH} orders.", "Split the batch.")
    asks: list[PlaceOrder | ChanceryError] = [_item(item) for item in items]
    good = [a for a in asks if isinstance(a, PlaceOrder)]
    placed = iter(place_many(actor(request), good))
    results = [next(placed) if isinstance(a, PlaceOrder) else a for a in asks]
    return {"results": [_result(r) for r in results]}


def _item(item: object) -> PlaceOrder | ChanceryError:
    if not isinstance(item, dict):
        return Invalid.one("orders", "An item is no JSON object.", "Send objects.")
    try:
        return _ask(item, item.get("idempotency_key"))
    except ChanceryError as refusal:
        return refusal


def _result(result: Any) -> Whole:
    if isinstance(result, ChanceryError):
        return {"status": status(result)[0], "problem": problem(result)}
    return {"status": 200 if getattr(result, "repeated", False) else 201, "id": str(result.pk), "state": result.state}


def _ask(values: Whole, key: object) -> PlaceOrder:
    known = {"profile", "csr", "validity_days", "comment", "idempotency_key"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise Invalid.one(unknown[0][:60], "There is no such field.", f"Fields are: {', '.join(sorted(known))}.")
    if key is not None and not isinstance(key, str):
        raise Invalid.one("idempotency_key", "This must be text.", "Send a UUID.")
    return PlaceOrder(
        profile=text(values, "profile"),
        csr=text(values, "csr"),
        validity_days=integer(values, "validity_days"),
        comment=text(values, "comment"),
        idem_key=key,
    )


def _wait(prefer: str) -> int:
    for part in prefer.replace(",", ";").split(";"):
        name, _, value = part.strip().partition("=")
        if name.lower() == "wait" and value.isdigit():
            return min(int(value), MAX_WAIT)
    return 0


@router.get("/orders")
def listing(
    request: HttpRequest,
    state: str = "",
    connector: str = "",
    profile: str = "",
    search: str = "",
    sort: str = "-id",
    cursor: str = "",
    size: int = 50,
) -> Whole:
    """List orders, newest first."""
    found = queries.listing(
        actor(request),
        state=state,
        connector=connector,
        profile=profile,
        search=search,
        sort=sort,
        cursor=cursor,
        size=size,
    )
    return show.page(found, show.order)


@router.get("/orders/{ident}")
def one(request: HttpRequest, ident: str) -> Whole:
    """Show an order with its timeline."""
    order = queries.get(actor(request), ident)
    return show.whole_order(order, queries.timeline(order))


@router.post("/orders/{ident}/approve")
def approve(request: HttpRequest, ident: str) -> Whole:
    """Approve a held order."""
    return show.order(actions.approve(actor(request), ident))


@router.post("/orders/{ident}/deny")
def deny(request: HttpRequest, ident: str) -> Whole:
    """Deny a held order, with a reason."""
    return show.order(actions.deny(actor(request), ident, text(mapping(request), "reason")))


@router.post("/orders/{ident}/cancel")
def cancel(request: HttpRequest, ident: str) -> Whole:
    """Cancel an order, at the CA too where it can."""
    return show.order(actions.cancel(actor(request), ident))


@router.post("/orders/{ident}/adopt")
def adopt(request: HttpRequest, ident: str) -> Whole:
    """Settle an unknown outcome by the CA's order number."""
    return show.order(actions.adopt(actor(request), ident, text(mapping(request), "reference")))


@router.post("/orders/{ident}/give-up")
def give_up(request: HttpRequest, ident: str) -> Whole:
    """End an order whose outcome stays unknown."""
    return show.order(actions.give_up(actor(request), ident, text(mapping(request), "reason")))
