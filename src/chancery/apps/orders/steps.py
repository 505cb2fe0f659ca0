"""The steps that people bring about: the move, its line on the timeline, its entry in the record."""

from __future__ import annotations

from typing import Any

from chancery.apps.bots import following as bots
from chancery.apps.orders import published
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.shared.action import Act
from chancery.apps.shared.waking import wake
from chancery.core.errors import Conflict
from chancery.core.ids import new_id
from chancery.core.order import Cause, IllegalMove, Move, State, move


def allowed(order: Order, target: State, event: str) -> Move:
    """Return the move that a person wants; raises `Conflict` where it cannot be made now."""
    try:
        step = move(State(order.state), target, Cause.PERSON)
    except IllegalMove:
        step = None
    if step is None or step.event != (event or step.event):
        raise Conflict(
            f"The order is {order.state.replace('_', ' ')}; this cannot be done to it now.",
            remedy="Look at the order again: its page says what can be done. Somebody, or the engine, may have been faster.",
            code="wrong_state",
        )
    return step


def go(
    act: Act,
    order: Order,
    target: State,
    *,
    event: str = "",
    text: str = "",
    detail: dict[str, Any] | None = None,
    **columns: Any,
) -> None:
    """Move an order, with `columns` for its row; its lease ends, so that what a worker brings for it changes nothing.

    `detail` goes with the line on its timeline.
    """
    step = allowed(order, target, event)
    order.state = target
    order.fence = order.lease_until = None
    for column, value in columns.items():
        setattr(order, column, value)
    if text:
        order.reason = text
    if target in {State.DENIED, State.CANCELLED, State.FAILED}:
        order.finished_at = act.at
        published.drop(order)
        bots.ended(order.pk, str(target), text, act.at)
    order.save()
    tell(act, order, step.event, text, detail)
    act.note(
        "order", order.pk, order.common_name, team=order.team_id, changed=("state",), detail={"state": str(target)}
    )
    if order.due_at is not None:
        wake()


def tell(act: Act, order: Order, kind: str, text: str, detail: dict[str, Any] | None = None, actor: str = "") -> None:
    """Put a line on the order's timeline; `actor` is whoever it tells of, where that is not who acts."""
    about = {"id": new_id(act.at), "at": act.at, "actor": actor or act.actor.name}
    OrderEvent.objects.create(order=order, kind=kind, text=text, detail=detail or {}, **about)
