"""What follows when the database was put back from a backup: the CAs went on, and what they were sent since is not known here.

So nothing is sent before somebody has looked: every connector is switched off, and each order that may have been sent since
is searched for at its CA. Looking, polling and revoking go on meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.models import Entry
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector, Status
from chancery.apps.orders import anew, published
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.orders.steps import go, tell
from chancery.apps.shared.action import Act, action
from chancery.core.errors import NotPermitted
from chancery.core.order import State
from chancery.sdk.authority import Dedup, Descriptor
from chancery.sdk.outcome import PendingKind

EVENT = "order.put_back"
_PART = 500
_LEAST = timedelta(seconds=1)
_ELSEWHERE = (
    "But the order is from a backup, and nobody has said that every connector still leads to the account it led to then, so it may "
    "have been sent to another account since."
)
_POOL = "But the order is from a backup, and another connector of its pool may have been given it since."


@dataclass
class PutBack:
    """What was done: connectors switched off, orders that are searched for, and orders that will be once they are approved.

    `since` is the moment from which on nothing is known.
    """

    since: datetime
    connectors: int = 0
    searched: int = 0
    held: int = 0


@action("orders.put_back", Permission.ORDER_SETTLE)
def put_back(act: Act, *, same_accounts: bool = False) -> PutBack:
    """Switch all connectors off, and have each open order looked for at its CA before it is ever sent.

    A search that finds nothing then leads to a person. `same_accounts` is the operator's word that no connector was given
    another account since: then it proves that the CA does not have the order, as long as no pool could have moved it.
    """
    if act.actor.scopes(act.permission) is not None:
        # It is about everybody's connectors and orders.
        raise NotPermitted(act.permission)
    last = Entry.objects.order_by("-at").values_list("at", flat=True).first()
    found = PutBack(min(last or act.at, act.at))
    for connector in Connector.objects.select_for_update().filter(deleted_at=None, status=Status.ACTIVE).order_by("pk"):
        _switch_off(act, connector)
        found.connectors += 1
    about: dict[UUID, Descriptor | None] = {}
    rows = Order.objects.filter(state__in=_MAY_HAVE_BEEN_SENT).select_related("connector", "profile").order_by("pk")
    for order in rows.iterator(chunk_size=_PART):
        if order.connector_id not in about:
            about[order.connector_id] = _about(order.connector)
        _one(act, order, about[order.connector_id], found, same_accounts=same_accounts)
    anew.forget_all(act, Order.objects.all(), "This is from a backup, and it may have counted since.")
    detail = {"connectors": found.connectors, "searched": found.searched, "held": found.held}
    act.note("installation", "", detail=detail | {"same_accounts": same_accounts, "since": found.since.isoformat()})
    return found


_MAY_HAVE_BEEN_SENT = (
    State.AWAITING_APPROVAL,
    State.QUEUED,
    State.SUBMITTING,
    State.PENDING,
    State.OUTCOME_UNKNOWN,
)


def look_first(act: Act, order: Order) -> bool:
    """Have an order looked for at its CA that was approved from a backup; False where it may simply be sent.

    Until it is approved nothing else is known of an order than that it was to be sent at some time after the backup.
    """
    if order.intended_at is None or order.state != State.QUEUED:
        return False
    before = OrderEvent.objects.filter(order=order, kind=EVENT).order_by("-id").first()
    doubt = str(before.detail.get("doubt", "")) if before is not None else _ELSEWHERE
    _search(act, order, _about(order.connector), order.intended_at, doubt)
    return True


def _switch_off(act: Act, connector: Connector) -> None:
    connector.status, connector.updated_at, connector.updated_by = Status.INACTIVE, act.at, act.actor.name
    connector.revision += 1
    connector.epoch += 1
    connector.save(update_fields=["status", "updated_at", "updated_by", "revision", "epoch"])
    act.note("connector", connector.pk, connector.name, team=connector.team_id, changed=("status",))


def _about(connector: Connector) -> Descriptor | None:
    try:
        return descriptor_of(connector.authority, connector.current_id)
    except Exception:
        return None


def _one(act: Act, order: Order, about: Descriptor | None, found: PutBack, *, same_accounts: bool) -> None:
    if order.asks:
        # It was never sent: its client's next one is, which is an order of its own.
        return
    pooled = order.profile.pool.members.count() > 1
    doubt = _POOL if pooled else "" if same_accounts else _ELSEWHERE
    original = about is not None and about.facts.dedup is Dedup.RETURN_ORIGINAL and not pooled
    if order.state == State.AWAITING_APPROVAL:
        order.intended_at = order.intended_at or found.since
        order.save(update_fields=["intended_at"])
        text = (
            "From a backup: it may have been approved and sent since. Once approved, it is looked for at the CA first."
        )
        tell(act, order, EVENT, text, _doubted(doubt))
        act.note("order", order.pk, order.common_name, team=order.team_id, detail={"state": str(order.state)})
        found.held += 1
    elif not original and _unsent(order, about):
        _search(act, order, about, found.since, doubt)
        found.searched += 1


def _unsent(order: Order, about: Descriptor | None) -> bool:
    """Say whether what the tables know of an order could have it sent (again); a poll by the CA's own number cannot."""
    if order.state != State.PENDING:
        return True
    return order.pending_kind == PendingKind.CONFIRMATION or about is None or about.facts.polls_are_acts


def _search(act: Act, order: Order, about: Descriptor | None, since: datetime, doubt: str) -> None:
    finds = about is not None and "finds" in about.powers
    lag = about.facts.search_lag if about is not None else _LEAST
    text = f"From a backup: what became of it after {since:%Y-%m-%d %H:%M} UTC is not known here. It is looked for at the CA first."
    if not finds:
        text = f"{text[: text.rindex(' It is')]} This CA cannot be searched, so a person decides."
    columns: dict[str, Any] = {
        "reason_code": "put_back",
        "intended_at": order.intended_at or since,
        "submitted_at": act.at,
        "version_id": order.version_id or order.connector.current_id,
        "poll_state": {},
        "pending_kind": "",
        "bound": True,
        "attempt": 0,
        "searches": 0,
        "due_at": act.at + max(lag, _LEAST) if finds else None,
    }
    published.drop(order)
    go(act, order, State.OUTCOME_UNKNOWN, event=EVENT, text=text, detail=_doubted(doubt), **columns)


def _doubted(doubt: str) -> dict[str, str]:
    return {"doubt": doubt} if doubt else {}
