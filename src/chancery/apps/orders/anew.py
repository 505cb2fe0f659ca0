"""Held orders that their requester places anew: the newer one takes the place of the older, and nobody is asked twice.

A machine that gives up after a while comes back with another key. What people have approved are the names and the profile, and
not the key, so what they said to the order before counts for the one in its place, for a while and once
(docs/adr/0025-an-acme-order-has-no-state.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.accounts.queries import able
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders import causing
from chancery.apps.orders.models import Approval, Order
from chancery.apps.orders.steps import go, tell
from chancery.apps.shared.action import Act
from chancery.core.order import State

YOUNG = timedelta(days=1)
"""For so long an approval is remembered."""
_MOST = 200
_AHEAD = {State.QUEUED, State.SUBMITTING, State.PENDING, State.ISSUED}
_SEEN = ("common_name", "connector_id", "validity_days", "product", "team_id", "environment_id")
"""What an approver sees of an order beside its names, key type and profile; were one of these another, they have not seen
this one. Which certificate it replaces is none: a client says that in one run and not in the next."""


def take_place(act: Act, ident: UUID, others: QuerySet[Order]) -> None:
    """Let a held order take the place of others of its requester for the same, as a part of the act that places it.

    The same are names, profile and key type: a host that has a certificate for RSA and one for EC orders both. Those that
    are held still are cancelled. Approvals that were given to them, or to the one before where that has gone ahead,
    count for this one; with as many as it needs it goes ahead at once. The caller sees to it that no two do this for one
    requester at one moment.
    """
    order = Order.objects.select_for_update(of=("self",)).get(pk=ident)
    if order.state != State.AWAITING_APPROVAL:
        return
    rows = others.filter(profile=order.profile_id).exclude(pk=ident)
    waiting = rows.filter(state=State.AWAITING_APPROVAL).select_for_update(of=("self",)).order_by("pk")
    held = [one for one in waiting if _same(one, order)]
    # Looked at once those are held: nobody approves or denies one of them from now on. By the names, not by the common name,
    # which the client chooses; by the first of them in the database, since the latest of a large account are other hosts'.
    latest = rows.filter(names__0__1=order.names[0][1]).order_by("-pk")[:_MOST]
    before = [one for one in latest if one.names == order.names]
    given = _given(order, _counting(order, before), act.at)
    for one in held:
        go(act, one, State.CANCELLED, text=f"It was ordered anew: the order {order.pk} takes its place.", due_at=None)
    if given:
        _count(act, order, given)


def _same(one: Order, other: Order) -> bool:
    return one.names == other.names and one.key_type == other.key_type


def _counting(order: Order, before: Iterable[Order]) -> Iterator[Order]:
    """Return the orders, newest first, whose approvals may count: those that are held, and the first other one where it stands.

    One for another type of key is passed over; but who denies that says no to the names, whose key type the client chooses.
    """
    for one in before:
        if not _same(one, order) and one.state != State.DENIED:
            continue
        if one.state == State.AWAITING_APPROVAL:
            yield one
            continue
        if _stands(one):
            yield one
        return


def _stands(before: Order) -> bool:
    """Say whether an order has gone ahead, and nobody has said no to its certificate or key since."""
    revoked = Certificate.objects.filter(order=before).exclude(revocation="").exists()
    return before.state in _AHEAD and not revoked and not keys.bars(before)


def _given(order: Order, before: Iterable[Order], now: datetime) -> list[Approval]:
    """Return the approvals of orders that count for one in their place, one for each person.

    Of one that has gone ahead only those count that were given to itself: what was remembered for it is used up. That does not
    hang on times, which the clocks of two nodes give.
    """
    found: dict[int, Approval] = {}
    for one in before:
        if any(getattr(one, name) != getattr(order, name) for name in _SEEN):
            continue
        own = {} if one.state == State.AWAITING_APPROVAL else {"of": None}
        for approval in one.given.filter(at__gt=now - YOUNG, **own).select_related("user").order_by("id"):
            if not causing.said_to(order, approval.user_id):
                found.setdefault(approval.user_id, approval)
    return list(found.values())


def _count(act: Act, order: Order, given: list[Approval]) -> None:
    for one in given:
        Approval.objects.create(order=order, user=one.user, name=one.name, at=one.at, of_id=one.order_id)
        text = f"{one.name} approved the order {one.order_id} for the same names, {one.at:%Y-%m-%d %H:%M} UTC."
        tell(act, order, "order.agreed", text)
    number = able([one.user for one in given], Permission.ORDER_APPROVE, order.team_id, order.environment_id)
    # No person acts here: who has approved, and what, is said by this entry alone, and by reference (docs/adr/0008).
    remembered = [{"user": one.user_id, "order": str(one.order_id)} for one in given]
    detail = {"approvals": number, "needed": order.approvals, "remembered": remembered}
    act.note("order", order.pk, order.common_name, team=order.team_id, changed=("approvals",), detail=detail)
    if number >= order.approvals:
        go(act, order, State.QUEUED, event="order.approved", due_at=act.at)
