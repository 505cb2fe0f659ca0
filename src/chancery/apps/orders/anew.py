"""Held orders whose requester does not wait for people, and places the same anew later: nobody is asked twice.

An ACME client cannot wait for days, and comes back with another key. So its held order only asks: once it is approved it ends
here, no CA is asked, and what was approved counts for the order that its client places next, once
(docs/adr/0034-a-held-acme-order-only-asks.md). People approve names and a profile, and not a key.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.accounts.queries import able
from chancery.apps.certificates import keys
from chancery.apps.orders import causing
from chancery.apps.orders.models import Approval, Order
from chancery.apps.orders.steps import go, tell
from chancery.apps.shared.action import Act
from chancery.core.errors import Conflict
from chancery.core.order import State

KEPT = timedelta(days=7)
"""For so long an approval is remembered: clients look daily, some weekly."""
REMEMBERED, USED, TAKEN_BACK = "approved_for_next", "approval_used", "approval_taken_back"
"""Codes of an order that was cancelled because it was approved: its approval waits, has counted, or counts no more."""
ITSELF = {"by_itself": True}
"""What a line of a timeline says in its detail that tells of a consequence, and not of what a person did."""
ASKED, REPLACED = "asked_already", "ordered_anew"
"""Codes of an order that was cancelled because another one asks for the same, or takes its place: nobody has decided about it."""
_SEEN = ("common_name", "validity_days", "team_id", "environment_id")
"""What an approver sees of an order beside its names, key type, profile and CA; were one of these another, they have not seen
this one. Which certificate it replaces is none: a client says that in one run and not in the next."""


def take_place(act: Act, ident: UUID, others: QuerySet[Order]) -> None:
    """Let a held order go ahead by an approval that waits for it, or have one order ask for all, as a part of the act that places it.

    The same are names, profile and key type: a host that has a certificate for RSA and one for EC orders both. The one that
    asks already goes on asking, so that whoever was told of it finds it, and this one ends; where this one is not quite
    what people saw of the other, it takes its place. The caller sees to it that no two do this for one requester at one moment.
    """
    order = Order.objects.get(pk=ident)
    if order.state != State.AWAITING_APPROVAL:
        # Another one of the group has taken its place.
        return
    rows = others.filter(profile=order.profile_id).exclude(pk=ident)
    waiting = rows.filter(state=State.AWAITING_APPROVAL).select_for_update(of=("self",)).order_by("pk")
    held = [one for one in waiting if _same(one, order)]
    # Looked at once those are held: nobody approves or denies one of them from now on.
    if _goes_ahead(act, order, rows):
        return
    asks = next((one for one in held if _as_seen(one, order) and one.approvals == order.approvals), None)
    if asks is not None:
        text = f"Somebody has to approve the order {asks.pk}, which asks for the same."
        go(act, order, State.CANCELLED, text=text, due_at=None, reason_code=ASKED, detail=ITSELF)
        return
    for one in held:
        text = f"It was ordered anew: the order {order.pk} takes its place."
        go(act, one, State.CANCELLED, text=text, due_at=None, reason_code=REPLACED, detail=ITSELF)
    # It replaces nothing itself: the next one that says that it does is to be placed.
    Order.objects.filter(pk=ident).update(replaces=None)


def remember(act: Act, order: Order) -> None:
    """End a held order that only asks, as all have approved whom it needs: that counts for the next one of its requester."""
    tell(act, order, "order.approved", "")
    text = (
        "Approved. No CA was asked, as its client does not wait: the next order of the same client for the same gets its "
        f"certificate at once, until {act.at + KEPT:%Y-%m-%d %H:%M} UTC."
    )
    go(act, order, State.CANCELLED, text=text, due_at=None, reason_code=REMEMBERED, detail=ITSELF)


def forget(act: Act, order: Order, reason: str) -> None:
    """Have an approval that waits for the next order count no more. Raises `Conflict` where none waits."""
    if not waits(order, act.at):
        raise Conflict(
            "No approval of this order waits for another order.",
            remedy="Look at the order again: its page says what became of the approval.",
            code="wrong_state",
        )
    _end(act, order, TAKEN_BACK, f"The approval was taken back: {reason}", "order.approval_taken_back", reason)
    act.note("order", order.pk, order.common_name, team=order.team_id, changed=("reason_code",))


def forget_all(act: Act, orders: QuerySet[Order], reason: str) -> None:
    """Have the approvals of some orders count no more that wait, as a part of whatever act says so."""
    waiting = orders.filter(reason_code=REMEMBERED, finished_at__gt=act.at - KEPT)
    for order in waiting.select_for_update(of=("self",)).order_by("pk"):
        forget(act, order, reason)


def denied(act: Act, order: Order) -> None:
    """Have what was approved for the names of an order that is denied count no more: the no is to the names.

    The client chooses key type and common name, and whoever has another account for the same names hears the same no.
    """
    text = f"The order {order.pk} for the same names was denied."
    rows = Order.objects.filter(profile=order.profile_id).only("names")
    asking = rows.filter(state=State.AWAITING_APPROVAL, given__isnull=False).distinct()
    for held in Order.objects.select_for_update().filter(pk__in=_for_the_names(order, asking)).order_by("pk"):
        if held.asks and held.given.all().delete()[0]:
            tell(act, held, "order.approval_taken_back", text)
            act.note("order", held.pk, held.common_name, team=held.team_id, changed=("approvals",))
    approved = rows.filter(reason_code=REMEMBERED, finished_at__gt=act.at - KEPT)
    forget_all(act, Order.objects.filter(pk__in=_for_the_names(order, approved)), text)


def _for_the_names(order: Order, rows: QuerySet[Order]) -> list[UUID]:
    return [one.pk for one in rows if one.names == order.names]


def waits(order: Order, now: datetime) -> bool:
    """Say whether what was approved of an order waits for the next one."""
    # An order has this code from its end on.
    return order.reason_code == REMEMBERED and order.finished_at is not None and order.finished_at + KEPT > now


def _same(one: Order, other: Order) -> bool:
    return one.names == other.names and one.key_type == other.key_type


def _as_seen(one: Order, other: Order) -> bool:
    if any(getattr(one, name) != getattr(other, name) for name in _SEEN):
        return False
    if one.connector_id == other.connector_id:
        return bool(one.product == other.product)
    # Each order draws its connector: the pool is what was seen, as long as it and the profile are as they were.
    profile, pool = other.profile, other.profile.pool
    if any(changed is not None and changed > one.placed_at for changed in (profile.updated_at, pool.updated_at)):
        return False
    both = {one.connector_id, other.connector_id}
    return pool.members.filter(connector__in=both).count() == len(both)


def _goes_ahead(act: Act, order: Order, rows: QuerySet[Order]) -> bool:
    """Let an order go ahead by what was approved of one of some others; False where nothing is, or not enough."""
    waiting = rows.filter(reason_code=REMEMBERED, finished_at__gt=act.at - KEPT)
    # Whoever takes it back at this moment was faster, or finds that it was used. Locked in the order in which a denial does.
    for one in reversed(waiting.select_for_update(of=("self",)).order_by("pk")):
        if _same(one, order) and _as_seen(one, order) and not keys.bars(one) and _counts(act, order, one):
            return True
    return False


def _counts(act: Act, order: Order, approved: Order) -> bool:
    """Use up what was approved of an order for another; returns whether that is all that it needs."""
    approvals = approved.given.select_related("user").order_by("id")
    place = Permission.ORDER_APPROVE, order.team_id, order.environment_id
    given = [one for one in approvals if not causing.said_to(order, one.user_id) and able([one.user], *place)]
    if len(given) < order.approvals:
        return False
    for one in given:
        Approval.objects.create(order=order, user=one.user, name=one.name, at=one.at, of_id=approved.pk)
        text = f"{one.name} approved the order {approved.pk} for the same names, {one.at:%Y-%m-%d %H:%M} UTC."
        tell(act, order, "order.agreed", text, actor=one.name)
    counted = f"It counted for the order {order.pk}."
    _end(act, approved, USED, f"Approved. {counted}", "order.approval_used", counted)
    # No person acts here: who has approved, and what, is said by this entry alone, and by reference (docs/adr/0008).
    remembered = [{"user": one.user_id, "order": str(approved.pk)} for one in given]
    detail = {"approvals": len(given), "needed": order.approvals, "remembered": remembered}
    act.note("order", order.pk, order.common_name, team=order.team_id, changed=("approvals",), detail=detail)
    go(act, order, State.QUEUED, event="order.approved", due_at=act.at, detail=ITSELF)
    return True


def _end(act: Act, order: Order, code: str, reason: str, event: str, text: str) -> None:
    order.reason_code, order.reason = code, reason
    order.save(update_fields=["reason_code", "reason"])
    tell(act, order, event, text)
