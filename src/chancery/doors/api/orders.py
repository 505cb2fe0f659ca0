"""Orders over REST."""

from __future__ import annotations

import re
import threading
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status
from ninja.responses import NinjaJSONEncoder
from pydantic import ValidationError

from chancery.apps.orders import actions, queries
from chancery.apps.orders.grouping import place_grouped
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place_many
from chancery.core.errors import ChanceryError
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api.reading import actor, errors_of_item, idempotency_key
from chancery.doors.api.routes import Routes, created, linked
from chancery.doors.problems import problem, status

router = Routes(tags=["orders"])
MAX_WAIT = 60
MOST_WAITING = 12
"""Requests that wait at once in one serving process. Each holds a thread; while a CA is away, waiting clients would else
take them all, and pages, bots and challenges have none. Who comes later is answered as things stand."""
_waiting = threading.BoundedSemaphore(MOST_WAITING)
Whole = dict[str, Any]
_written = NinjaJSONEncoder().encode


@router.post(
    "/orders",
    response={200: answers.WholeOrder | answers.Order, 201: answers.WholeOrder | answers.Order},
    headers=("Location", "Preference-Applied"),
    takes=("Idempotency-Key", "Prefer"),
    problems=(404, 409),
)
def place(request: HttpRequest, response: HttpResponse, body: bodies.OrderIn) -> Status[Whole] | HttpResponse:
    """Place an order. `Idempotency-Key` makes a repeat return the same order; `Prefer: wait=N` waits for it.

    201 is a new order, 200 the one that was placed with this key before.
    """
    who = actor(request)
    order = place_grouped(who, _ask(body, idempotency_key(request)))
    code = 200 if getattr(order, "repeated", False) else 201
    created(response, "orders", order.pk)
    seconds = _wait(request.META.get("HTTP_PREFER", ""))
    if seconds is None:
        return _placed(response, code, order)
    waits = _waiting.acquire(blocking=False)
    try:
        seconds = seconds if waits else 0
        response.headers["Preference-Applied"] = f"wait={seconds}"
        return Status(code, _whole(queries.wait(who, order.pk, seconds)))
    finally:
        if waits:
            _waiting.release()


def _placed(response: HttpResponse, code: int, order: Order) -> HttpResponse:
    """Answer as the framework would: it holds what we made ourselves against two models first, for each of thousands."""
    response.status_code, response.content = code, _written(show.order(order)).encode()
    return response


@router.post("/orders/batch", response=answers.BatchResults, exclude_none=True)
def batch(request: HttpRequest, body: bodies.BatchIn) -> Whole:
    """Place up to a thousand orders; each has its own key and its own result."""
    asks = [_item(item) for item in body.orders]
    placed = iter(place_many(actor(request), [a for a in asks if isinstance(a, PlaceOrder)]))
    return {"results": [_result(next(placed) if isinstance(a, PlaceOrder) else a) for a in asks]}


def _item(item: object) -> PlaceOrder | ChanceryError:
    try:
        order = bodies.BatchOrder.model_validate(item)
        return _ask(order, order.idempotency_key)
    except ValidationError as error:
        return errors_of_item(error)
    except ChanceryError as refusal:
        return refusal


def _result(result: Order | ChanceryError) -> Whole:
    if isinstance(result, ChanceryError):
        return {"status": status(result)[0], "problem": problem(result)}
    return {"status": 200 if getattr(result, "repeated", False) else 201, "id": str(result.pk), "state": result.state}


def _ask(body: bodies.OrderIn, key: str | None) -> PlaceOrder:
    return PlaceOrder(body.profile, body.csr, body.validity_days, body.comment, key)


def _wait(prefer: str) -> int | None:
    for part in prefer.replace(",", ";").split(";"):
        name, _, value = part.strip().partition("=")
        # RFC 7240 section 2: a value is a token or the same in quotes.
        seconds = re.fullmatch('([0-9]{1,6})|"([0-9]{1,6})"', value.strip())
        if name.strip().lower() == "wait" and seconds:
            return min(int(seconds[1] or seconds[2]), MAX_WAIT)
    return None


def _whole(order: Order) -> Whole:
    return show.whole_order(order, queries.timeline(order))


@router.get("/orders", response=answers.Orders, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    state: parameters.OrderState = "",
    connector: parameters.OfConnector = "",
    profile: parameters.OfProfile = "",
    search: parameters.Search = "",
    sort: parameters.OrderSort = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List orders, newest first; a search sorts by name."""
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
    return linked(request, response, show.page(found, show.order))


@router.get("/orders/{ident}", response=answers.WholeOrder)
def one(request: HttpRequest, ident: parameters.Ident) -> Whole:
    """Show an order with its timeline."""
    return _whole(queries.get(actor(request), ident))


@router.post("/orders/{ident}/approve", response=answers.Order, problems=(409,))
def approve(request: HttpRequest, ident: parameters.Ident) -> Whole:
    """Approve a held order. One of an ACME client ends (`approved_for_next`): its client's next order for the same goes ahead."""
    return show.order(actions.approve(actor(request), ident))


@router.post("/orders/{ident}/deny", response=answers.Order, problems=(409,))
def deny(request: HttpRequest, ident: parameters.Ident, body: bodies.ReasonIn) -> Whole:
    """Deny a held order, with a reason."""
    return show.order(actions.deny(actor(request), ident, body.reason))


@router.post("/orders/{ident}/take-back", response=answers.Order, problems=(409,))
def take_back(request: HttpRequest, ident: parameters.Ident, body: bodies.ReasonIn) -> Whole:
    """Have an approval that waits for the next order of an ACME client count no more, with a reason."""
    return show.order(actions.take_back(actor(request), ident, body.reason))


@router.post("/orders/{ident}/cancel", response=answers.Order, problems=(409,))
def cancel(request: HttpRequest, ident: parameters.Ident) -> Whole:
    """Cancel an order, at the CA too where it can."""
    return show.order(actions.cancel(actor(request), ident))


@router.post("/orders/{ident}/release", response=answers.Order, problems=(409,))
def release(request: HttpRequest, ident: parameters.Ident) -> Whole:
    """Have an order issued that waits for a manager of its CA, where the connector may decide there."""
    return show.order(actions.release(actor(request), ident))


@router.post("/orders/{ident}/confirm", response=answers.Order, problems=(409,))
def confirm(request: HttpRequest, ident: parameters.Ident) -> Whole:
    """Accept what an order warns of that waits for a confirmation; only then is it sent to the CA."""
    return show.order(actions.confirm(actor(request), ident))


@router.post("/orders/{ident}/adopt", response=answers.Order, problems=(409,))
def adopt(request: HttpRequest, ident: parameters.Ident, body: bodies.ReferenceIn) -> Whole:
    """Settle an unknown outcome by the CA's order number."""
    return show.order(actions.adopt(actor(request), ident, body.reference))


@router.post("/orders/{ident}/give-up", response=answers.Order, problems=(409,))
def give_up(request: HttpRequest, ident: parameters.Ident, body: bodies.ReasonIn) -> Whole:
    """End an order whose outcome stays unknown, or that waits at a CA which cannot withdraw it."""
    return show.order(actions.give_up(actor(request), ident, body.reason))
