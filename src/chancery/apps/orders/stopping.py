"""What becomes of open orders whose key is reported as compromised: nothing more is certified for it that can be stopped."""

from __future__ import annotations

from chancery.apps.certificates.queries import compromised
from chancery.apps.orders import queries
from chancery.apps.orders.models import Order
from chancery.apps.orders.steps import go, tell
from chancery.apps.shared.action import Act
from chancery.apps.shared.waking import wake
from chancery.core.errors import Conflict
from chancery.core.order import RevocationReason, State

_TEXT = "Its key was reported as compromised."


def refuse_compromised(order: Order) -> None:
    """Raise `Conflict` where an order's key was reported as compromised since it was placed."""
    if compromised({order.spki_sha256}):
        raise Conflict(
            "Its key was reported as compromised since it was placed.",
            remedy="End the order; whoever placed it makes a new key.",
            code="key_compromised",
        )


def stop_compromised(act: Act, spki_sha256: str, reason: str) -> None:
    """Withdraw what can be withdrawn of the orders for a key (SHA-256, hex), whoever placed them; part of a revocation.

    What no CA has seen is cancelled. What waits at a CA is withdrawn there by the engine, where the CA can. What is on
    its way at this moment may still be issued, and has to be revoked by itself; should it come back unsent, the engine ends it.
    """
    if reason != RevocationReason.KEY_COMPROMISE:
        return
    rows = Order.objects.select_related("connector").select_for_update(of=("self",)).order_by("pk")
    rows = rows.filter(spki_sha256=spki_sha256)
    for order in rows.filter(state__in=[State.AWAITING_APPROVAL, State.QUEUED]):
        go(act, order, State.CANCELLED, text=_TEXT, due_at=None)
    for order in rows.filter(state=State.PENDING, cancel_requested=False):
        if queries.cancels(order):
            withdraw(act, order, f"{_TEXT} The CA is asked to withdraw it.")


def withdraw(act: Act, order: Order, text: str) -> None:
    """Have the engine withdraw an order that waits at its CA."""
    order.cancel_requested, order.due_at = True, act.at
    order.save(update_fields=["cancel_requested", "due_at"])
    tell(act, order, "order.cancel_requested", text)
    act.note("order", order.pk, order.common_name, team=order.team_id, changed=("cancel_requested",))
    wake()
