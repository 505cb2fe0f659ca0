"""Reading orders."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import F, Q, QuerySet

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import BreakerState, Status
from chancery.apps.orders.models import AgainRequest, Order, OrderEvent
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Filter, Page, by_id, capped_count, one_of, paginate, uuid_or_none
from chancery.apps.shared.scope import scope, visible
from chancery.core.errors import Absent
from chancery.core.order import ENDS, FOR_PEOPLE, State
from chancery.sdk.outcome import PendingKind

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

_STEP = 0.05
_MOST_ASKED = 200
NO_STAND_IN = "no_stand_in"
"""Code of an order that waits at a member of a pool that is out of order, and that no other member may take."""
SORTS = ("-id", "id", "common_name", "-common_name")


def visible_to(actor: Actor) -> QuerySet[Order]:
    """Return the orders of the teams and environments that the actor may see."""
    return visible(Order.objects.all(), actor, Permission.ORDER_VIEW)


def get(actor: Actor, ident: object) -> Order:
    """Return one visible order, or raise `Absent`."""
    rows = visible_to(actor).select_related("profile", "connector", "team", "environment", "requested_by")
    found = by_id(rows, ident)
    if found is None:
        raise Absent("order", ident)
    return found


def timeline(order: Order) -> list[OrderEvent]:
    """Return what happened to an order, oldest first."""
    return list(OrderEvent.objects.filter(order=order).order_by("id")[:500])


def listing(
    actor: Actor,
    *,
    state: str = "",
    connector: str = "",
    profile: str = "",
    search: str = "",
    sort: str = "-id",
    cursor: str = "",
    size: int = 50,
) -> Page[Order]:
    """Return one page of orders; a search sorts by name, which is what its index holds."""
    rows = Order.objects.select_related("profile", "connector").defer("csr")
    one_of("state", state, list(State))
    one_of("sort", sort, SORTS)
    asked = {
        "connector": uuid_or_none(connector, "connector"),
        "profile": uuid_or_none(profile, "profile"),
        "state": state,
    }
    if search:
        sort = "common_name"
    return paginate(
        rows,
        order=sort or "-id",
        cursor=cursor,
        size=size,
        span=starting(search.lower()) if search else EVERYTHING,
        filters=[Filter(Q(**{field: value})) for field, value in asked.items() if value],
        scope=scope(actor, Permission.ORDER_VIEW),
    )


def waiting_for_people(actor: Actor) -> dict[str, str]:
    """Return state → number of the orders that a person must decide about, as people read it."""
    counted = {state: capped_count(visible_to(actor).filter(state=state)) for state in sorted(FOR_PEOPLE)}
    return {state: text for state, text in counted.items() if text != "0"}


def unknown(actor: Actor) -> str:
    """Return of how many orders it is not known whether the CA has them, as people read it; '' for none."""
    text = capped_count(visible_to(actor).filter(state=State.OUTCOME_UNKNOWN))
    return "" if text == "0" else text


def held(actor: Actor) -> str:
    """Return how many orders wait for a person to accept what they warn of, as people read it; '' for none."""
    text = capped_count(visible_to(actor).filter(state=State.PENDING, pending_kind=PendingKind.CONFIRMATION))
    return "" if text == "0" else text


def asked_again(actor: Actor, now: datetime) -> list[AgainRequest]:
    """Return the requests to order again that wait for a second person, the oldest first; two hundred at most."""
    same = Q(call_at=F("order__submitted_at")) | Q(call_at=None, order__submitted_at=None)
    rows = AgainRequest.objects.filter(same, outcome="", expires_at__gt=now, order__state=State.OUTCOME_UNKNOWN)
    rows = rows.filter(order__in=visible_to(actor))
    return list(rows.select_related("order", "asked_by").order_by("id")[:_MOST_ASKED])


def why(order: Order) -> str:
    """Say in a sentence what an open order waits for; '' for one that has ended."""
    if order.state in ENDS:
        return order.reason
    connector = order.connector
    if order.state == State.QUEUED and order.reason_code == NO_STAND_IN:
        return order.reason
    if order.state == State.QUEUED and connector.status != Status.ACTIVE:
        return f"{connector.name} is inactive; the order goes out when it is activated."
    if order.state == State.QUEUED and connector.breaker == BreakerState.STOPPED:
        return f"{connector.name} was refused its login too often; a person must act. {connector.health_text}".strip()
    if order.state == State.QUEUED and connector.breaker_until is not None:
        said = f" ({connector.health_text})" if connector.health_text else ""
        at = f"{connector.breaker_until:%H:%M:%S} UTC"
        return f"{connector.name} is {connector.get_health_display().lower()}{said}; looked at again at {at}."
    usual = {
        State.AWAITING_APPROVAL: "A second person must approve it"
        + (", and its client's next order goes ahead." if order.asks else "."),
        State.QUEUED: "The next free seat takes it.",
        State.SUBMITTING: "It is on its way to the CA.",
        State.PENDING: "The CA has it and has not issued it yet.",
    }
    return order.reason or usual.get(State(order.state), "")


def cancels(order: Order) -> bool:
    """Say whether an order can be withdrawn: one that the CA has only where its interface can."""
    if order.state == State.PENDING:
        connector = order.connector
        installed = catalog.find(connector.authority) is not None
        return installed and "cancels" in descriptor_of(connector.authority, connector.current_id).powers
    return order.state in {State.AWAITING_APPROVAL, State.QUEUED}


def stuck(order: Order) -> bool:
    """Say whether the CA has an order and nobody can withdraw it there: a person may give it up with a reason."""
    return order.state == State.PENDING and not cancels(order)


def releases(order: Order) -> bool:
    """Say whether an order waits for the CA's manager, whom the connector may stand in for."""
    if order.state != State.PENDING or order.pending_kind != PendingKind.APPROVAL or order.cancel_requested:
        return False
    connector = order.connector
    installed = catalog.find(connector.authority) is not None
    known = installed and "releases" in descriptor_of(connector.authority, connector.current_id).powers
    return known and "release" not in order.poll_state


def wait(actor: Actor, ident: object, seconds: float) -> Order:
    """Return the order when it has ended, or as it stands after `seconds`; the engine does the work."""
    deadline = time.monotonic() + seconds
    while True:
        order = get(actor, ident)
        left = deadline - time.monotonic()
        asks = order.state in FOR_PEOPLE or order.pending_kind == PendingKind.CONFIRMATION
        if order.state in ENDS or asks or left <= 0:
            return order
        time.sleep(min(_STEP, left))
