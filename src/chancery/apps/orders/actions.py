"""What people do to orders once they are placed."""

from __future__ import annotations

from typing import Any

from chancery.apps.accounts.permissions import Permission
from chancery.apps.accounts.queries import able
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.orders import again, anew, causing, queries
from chancery.apps.orders.models import Approval, Order
from chancery.apps.orders.place import PlaceOrder, place, place_many
from chancery.apps.orders.restoring import look_first
from chancery.apps.orders.steps import allowed, go, tell
from chancery.apps.orders.stopping import refuse_compromised, withdraw
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted
from chancery.core.order import State
from chancery.sdk.outcome import PendingKind

__all__ = [
    "PlaceOrder",
    "adopt",
    "approve",
    "cancel",
    "confirm",
    "confirm_again",
    "deny",
    "give_up",
    "order_again",
    "place",
    "place_many",
    "refuse_again",
    "release",
    "take_back",
]


@action("orders.approve", Permission.ORDER_APPROVE)
def approve(act: Act, ident: object) -> Order:
    """Agree to a held order of somebody else; with the last approval that it needs it goes ahead, or its client's next one does."""
    order = _locked(act, ident)
    causing.refuse(act, order)
    number = _agreed(act, order)
    refuse_compromised(order)
    if number < order.approvals or order.asks:
        detail = {"approvals": number, "needed": order.approvals}
        act.note("order", order.pk, order.common_name, team=order.team_id, changed=("approvals",), detail=detail)
    if number < order.approvals:
        tell(act, order, "order.agreed", f"{number} of {order.approvals} approvals.")
        return order
    if order.asks:
        anew.remember(act, order)
        return order
    go(act, order, State.QUEUED, event="order.approved", due_at=act.at)
    look_first(act, order)
    return order


@action("orders.take_back", Permission.ORDER_APPROVE)
def take_back(act: Act, ident: object, reason: str) -> Order:
    """Have an approval that waits for its client's next order count no more, with a reason; that one is held again."""
    order = _locked(act, ident)
    anew.forget(act, order, _reason(reason))
    return order


@action("orders.deny", Permission.ORDER_APPROVE)
def deny(act: Act, ident: object, reason: str) -> Order:
    """Refuse a held order, with a reason that the requester reads."""
    order = _locked(act, ident)
    causing.refuse(act, order)
    go(act, order, State.DENIED, text=_reason(reason), due_at=None)
    anew.denied(act, order)
    return order


@action("orders.cancel", Permission.ORDER_CANCEL)
def cancel(act: Act, ident: object) -> Order:
    """Withdraw an order. One that is at the CA is cancelled there by the engine, where the CA can."""
    order = _locked(act, ident)
    if order.state == State.PENDING:
        _needs_power(order, "cancels", "Wait for the CA's answer, or give the order up with a reason.")
        withdraw(act, order, "The CA is asked to withdraw it.")
        return order
    go(act, order, State.CANCELLED, due_at=None)
    return order


@action("orders.release", Permission.ORDER_RELEASE)
def release(act: Act, ident: object) -> Order:
    """Have an order issued that waits at the CA for its manager; never by a person who brought it about."""
    order = _locked(act, ident)
    causing.refuse(act, order)
    if order.state != State.PENDING or order.pending_kind != PendingKind.APPROVAL or order.cancel_requested:
        raise Conflict(
            "The order does not wait for a manager of the CA.",
            remedy="Its reason says what it waits for, and who can do something about it.",
            code="wrong_state",
        )
    refuse_compromised(order)
    _needs_power(order, "releases", "Have it issued in the CA's own console.")
    if "release" in order.poll_state:
        raise Conflict("That is asked for already.", remedy="Wait: a worker tells the CA.", code="wrong_state")
    order.poll_state, order.due_at = {"v": 1, "release": order.poll_state}, act.at
    # A look that is under way would write the authority's state over the wish: without its fence it writes nothing.
    order.fence = order.lease_until = None
    order.save(update_fields=["poll_state", "due_at", "fence", "lease_until"])
    tell(act, order, "order.release_requested", "The CA is asked to issue it.")
    act.note("order", order.pk, order.common_name, team=order.team_id, changed=("release_requested",))
    return order


@action("orders.confirm", Permission.ORDER_SETTLE)
def confirm(act: Act, ident: object) -> Order:
    """Accept what a held order's reason warns of: nothing was sent yet, and now it is."""
    order = _locked(act, ident)
    if order.state == State.PENDING and order.pending_kind != PendingKind.CONFIRMATION:
        raise Conflict(
            "The order does not wait for a confirmation.",
            remedy="Its reason says what it waits for, and who can do something about it.",
            code="wrong_state",
        )
    refuse_compromised(order)
    text = f"Accepted: {order.reason}"[:1000]
    state = {"v": 1, "confirmed": True}
    go(act, order, State.QUEUED, event="order.confirmed", text=text, due_at=act.at, poll_state=state, pending_kind="")
    return order


@action("orders.adopt", Permission.ORDER_SETTLE)
def adopt(act: Act, ident: object, reference: str) -> Order:
    """Settle an unknown outcome by the CA's own order number; the engine then fetches and checks it."""
    order = _locked(act, ident)
    number = clean("reference", reference, 200, wanted="Look the CA's order number up in the CA's console.")
    _needs_power(order, "adopts", "Wait for the engine's own search, or give the order up with what you know.")
    _not_anothers(order, number)
    state = {"v": 1, "adopt": number}
    go(act, order, State.PENDING, text=f"The CA's order {number}.", due_at=act.at, poll_state=state)
    return order


@action("orders.give_up", Permission.ORDER_SETTLE)
def give_up(act: Act, ident: object, reason: str) -> Order:
    """End an order whose outcome stays unknown, whose certificate is quarantined, or whose CA has it and cannot withdraw it."""
    order = _locked(act, ident)
    text = _reason(reason)
    if order.state == State.PENDING:
        _stuck(order)
        tell(act, order, "order.left_at_ca", f"{order.connector.name} had it, and may still issue it.")
    _not_asked_for(act, order)
    go(act, order, State.FAILED, text=text, due_at=None)
    return order


@action("orders.order_again", Permission.ORDER_SETTLE)
def order_again(act: Act, ident: object, reason: str) -> Order:
    """Ask that an order with an unknown outcome be sent anew; a second person has to confirm it."""
    order = _locked(act, ident)
    allowed(order, State.QUEUED, "order.ordered_again")
    refuse_compromised(order)
    again.ask(order, _person(act), why := _reason(reason), act.at)
    tell(act, order, "order.again_asked", why)
    act.note("order", order.pk, order.common_name, team=order.team_id, detail={"again": "asked"})
    return order


@action("orders.confirm_again", Permission.ORDER_SETTLE)
def confirm_again(act: Act, ident: object) -> Order:
    """Agree, as the second person, that an order is sent anew; the call it leaves behind is searched for from now on."""
    order = _locked(act, ident)
    allowed(order, State.QUEUED, "order.ordered_again")
    asked = again.waiting(order, act.at)
    _second_person(act, order, asked.asked_by_id)
    again.too_soon(order, act.at)
    refuse_compromised(order)
    again.decide(asked, again.CONFIRMED, _person(act), "", act.at)
    again.leave_behind(order, act.at)
    fresh: dict[str, Any] = {
        "again": order.again + 1,
        "version": None,
        "intended_at": None,
        "submitted_at": None,
        "poll_state": {},
        "ca_reference": "",
        "reason_code": "",
        "attempt": 0,
        "searches": 0,
    }
    text = f"Asked for by {asked.asked_by}: {asked.reason}"[:1000]
    go(act, order, State.QUEUED, event="order.ordered_again", text=text, due_at=act.at, **fresh)
    return order


@action("orders.refuse_again", Permission.ORDER_SETTLE)
def refuse_again(act: Act, ident: object, reason: str) -> Order:
    """Refuse, as the second person, that an order is sent anew; it stays where it is."""
    order = _locked(act, ident)
    asked = again.waiting(order, act.at)
    _second_person(act, order, asked.asked_by_id)
    again.decide(asked, again.REFUSED, _person(act), why := _reason(reason), act.at)
    tell(act, order, "order.again_refused", why)
    act.note("order", order.pk, order.common_name, team=order.team_id, detail={"again": "refused"})
    return order


def _person(act: Act) -> int:
    if act.actor.user is None:
        detail = "Ordering again takes two people, each with an account of their own."
        raise NotPermitted(Permission.ORDER_SETTLE, detail, "Log in as a person with the role CA operator.")
    return act.actor.user


def _second_person(act: Act, order: Order, asked_by: int) -> None:
    detail = causing.said_to(order, who := _person(act))
    if who == asked_by:
        detail = "Who asks to order again cannot be the second person."
    if detail:
        raise NotPermitted(Permission.ORDER_SETTLE, detail, "Ask somebody else with the role CA operator to decide.")


def _locked(act: Act, ident: object) -> Order:
    order = by_id(queries.visible_to(act.actor).select_for_update(), ident)
    if order is None:
        raise Absent("order", ident)
    act.require(order)
    return order


def _agreed(act: Act, order: Order) -> int:
    """Count one more person who agrees, and return how many do; whoever operates the host is none."""
    if act.actor.user is None:
        raise NotPermitted(Permission.ORDER_APPROVE, "Only people approve orders.", "Log in as a person.")
    allowed(order, State.QUEUED, "order.approved")
    if order.given.filter(user_id=act.actor.user).exists():
        raise Conflict("You have approved this already.", remedy="Somebody else has to, too.", code="approved")
    Approval.objects.create(order=order, user_id=act.actor.user, name=act.actor.name, at=act.at)
    people = [one.user for one in order.given.select_related("user")]
    # Whoever was kept out or lost the right since then counts no more.
    return able(people, Permission.ORDER_APPROVE, order.team_id, order.environment_id)


def _stuck(order: Order) -> None:
    """Raise `Conflict` where an order at its CA can be withdrawn there."""
    if queries.cancels(order):
        raise Conflict(
            "The CA has this order, and can withdraw it.",
            remedy="Cancel the order: Chancery withdraws it at the CA.",
            code="cancel_it",
        )


def _not_asked_for(act: Act, order: Order) -> None:
    """Raise `Conflict` while the CA is being asked for an order, or searched: it may settle by itself."""
    if order.lease_until is not None and order.lease_until > act.at:
        raise Conflict(
            "The CA is being asked for this order at this moment.",
            remedy="Look again in a moment: it may have been issued.",
            code="too_soon",
        )


def _needs_power(order: Order, power: str, remedy: str) -> None:
    descriptor = descriptor_of(order.connector.authority, order.connector.current_id)
    if power not in descriptor.powers:
        raise Conflict(f"{descriptor.title} has no interface for this.", remedy=remedy, code="no_power")


def _not_anothers(order: Order, number: str) -> None:
    taken = Order.objects.filter(connector=order.connector_id, ca_reference=number).exclude(pk=order.pk).first()
    if taken is not None:
        message = f"The CA's order {number} is that of the order {taken.pk} for {taken.common_name}."
        raise Invalid.one("reference", message, "Look for the one whose time and names are this order's.", "taken")


def _reason(text: str) -> str:
    return clean("reason", text, 1000, lines=True, wanted="Say in a sentence why.")
