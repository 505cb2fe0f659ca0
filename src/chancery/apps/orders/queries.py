"""Reading orders."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db.models import Count, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.shared.paging import Page, by_id, paginate, prefix, uuid_or_none
from chancery.apps.shared.scope import visible
from chancery.core.errors import Absent
from chancery.core.order import ENDS, FOR_PEOPLE, State

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

_STEP = 0.05
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
    """Return one page of orders. Every combination offered is answered from an index."""
    rows = visible_to(actor)
    if connector:
        rows = rows.filter(connector=uuid_or_none(connector, "connector"))
    if state in set(State):
        rows = rows.filter(state=state)
    if profile:
        rows = rows.filter(profile=uuid_or_none(profile, "profile"))
    if search:
        rows, sort = rows.filter(prefix("common_name", search.lower())), "common_name"
    rows = rows.select_related("profile", "connector").defer("csr")
    return paginate(rows, order=sort if sort in SORTS else "-id", cursor=cursor, size=size)


def waiting_for_people(actor: Actor) -> dict[str, int]:
    """Return state → number of the orders that a person must decide about."""
    rows = visible_to(actor).filter(state__in=list(FOR_PEOPLE)).order_by()
    return dict(rows.values_list("state").annotate(n=Count("pk")))


def wait(actor: Actor, ident: object, seconds: float) -> Order:
    """Return the order when it has ended, or as it stands after `seconds`; the engine does the work."""
    deadline = time.monotonic() + seconds
    while True:
        order = get(actor, ident)
        left = deadline - time.monotonic()
        if order.state in ENDS or order.state in FOR_PEOPLE or left <= 0:
            return order
        time.sleep(min(_STEP, left))
