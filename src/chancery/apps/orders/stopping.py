"""What becomes of open orders whose key is reported as compromised: nothing more is certified for it that can be stopped."""

from __future__ import annotations

from typing import Any, Protocol

from django.db.models import Q, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import KeyReport
from chancery.apps.orders import queries
from chancery.apps.orders.models import Order
from chancery.apps.orders.steps import go, tell
from chancery.apps.shared.action import Act, Scoped
from chancery.apps.shared.waking import wake
from chancery.core.errors import Conflict
from chancery.core.order import State
from chancery.sdk.outcome import PendingKind

_STOPPED = (State.AWAITING_APPROVAL, State.QUEUED, State.PENDING)
_ON_THE_WAY = (State.SUBMITTING, State.OUTCOME_UNKNOWN)
_NOT_STOPPED = "Another team reported its key as compromised. Nobody has confirmed that, so the order goes on."


class Named(Scoped, Protocol):
    """A certificate of a team: one of ours, or one that a CA lists."""

    common_name: Any
    serial: Any


def refuse_compromised(order: Order) -> None:
    """Raise `Conflict` where an order's key was reported as compromised since it was placed."""
    if keys.bars(order):
        raise Conflict(
            f"{keys.TEXT[:-1]} since it was placed.",
            remedy="End the order; whoever placed it makes a new key.",
            code=keys.CODE,
        )


def report(act: Act, key: str, place: Named, by: str = "", note: str = "") -> tuple[KeyReport, bool]:
    """Record a key (SHA-256 of its SPKI, hex) as compromised, and stop what can be stopped of the orders for it.

    It is part of whatever act says so: a report, or a revocation for that reason. `place` is the certificate that it is about;
    `by` is who said so where that is not who acts. Whose orders it stops is decided by whether the key has signed a request of
    that team (docs/adr/0027). Returns the report as it stands, and whether it is news.
    """
    own = Order.objects.filter(spki_sha256=key, team_id=place.team_id).exists()
    decides = not own and not by and act.actor.may(Permission.KEY_REPORT_CONFIRM)
    row, news = keys.record(
        key,
        place,
        by or act.actor.name,
        act.at,
        note,
        named=f"{place.common_name} {place.serial}".strip(),
        for_everybody=own,
        confirmed_by=act.actor.name if decides else "",
    )
    spread(act, row, news=news)
    return row, news


def spread(act: Act, row: KeyReport, *, news: bool = True) -> None:
    """Stop the open orders that a report is about; of one that stops them not the others hear, as long as it is news."""
    rows = Order.objects.filter(spki_sha256=row.spki_sha256).select_related("connector").order_by("pk")
    held = rows.filter(state__in=_STOPPED).select_for_update(of=("self",))
    # The engine may be writing these at this moment, so they are not waited for.
    on_the_way = rows.filter(state__in=_ON_THE_WAY)
    for some, end in ((held, _stop), (on_the_way, _may_come)):
        for order in some:
            if row.stops(order.team_id):
                end(act, order)
            elif news:
                tell(act, order, "order.key_reported", _NOT_STOPPED)


def _stop(act: Act, order: Order) -> None:
    """Withdraw one order, whoever placed it: here where no CA has seen it, else at its CA, by the engine, where that can."""
    if order.state != State.PENDING:
        go(act, order, State.CANCELLED, text=keys.TEXT, due_at=None)
    elif order.cancel_requested:
        return
    elif queries.cancels(order):
        withdraw(act, order, f"{keys.TEXT} The CA is asked to withdraw it.")
    else:
        _may_come(act, order)


def end_unsent(act: Act, orders: QuerySet[Order], text: str) -> None:
    """End those of some orders that no CA was asked for, as a part of whatever act says so.

    `text` is why, which their timelines say. One that waits for a confirmation is given up: of it nothing was sent either
    (`sdk.outcome.PendingKind`). What was sent goes on, and so does what was confirmed and is queued again: whether its CA has
    it is known no more than of any other that was tried before.
    """
    asks = Q(state=State.PENDING, pending_kind=PendingKind.CONFIRMATION)
    unsent = orders.filter(asks | Q(state__in=(State.AWAITING_APPROVAL, State.QUEUED), bound=False))
    for order in unsent.select_for_update(of=("self",)).order_by("pk"):
        target = State.FAILED if order.state == State.PENDING else State.CANCELLED
        go(act, order, target, text=text, due_at=None)


def _may_come(act: Act, order: Order) -> None:
    """Say on an order's timeline that it may still be issued; the engine says so again when it is, and it is not deployed."""
    tell(act, order, "order.key_compromised", f"{keys.TEXT} The CA has it or may have it, so it may still be issued.")


def withdraw(act: Act, order: Order, text: str) -> None:
    """Have the engine withdraw an order that waits at its CA."""
    order.cancel_requested, order.due_at = True, act.at
    # A look that is under way would put it off to its own next one: without its fence it writes nothing.
    order.fence = order.lease_until = None
    order.save(update_fields=["cancel_requested", "due_at", "fence", "lease_until"])
    tell(act, order, "order.cancel_requested", text)
    act.note("order", order.pk, order.common_name, team=order.team_id, changed=("cancel_requested",))
    wake()
