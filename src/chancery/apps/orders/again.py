"""Ordering again what a CA may already have: the request that a second person decides, and the call that is left behind.

The request belongs to one order and one call of it. It knows nothing of doors or rights: `actions` asks for those.
"""

from __future__ import annotations

from datetime import datetime

from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.orders.models import AgainRequest, EarlierCall, Later, Order
from chancery.core.again import OPEN_FOR, Stakes, call_reference, next_look, risk
from chancery.core.errors import Conflict
from chancery.core.ids import new_id
from chancery.core.order import State
from chancery.sdk.authority import Descriptor

CONFIRMED, REFUSED, EXPIRED, OVERTAKEN = "confirmed", "refused", "expired", "overtaken"


def open_request(order: Order, now: datetime) -> AgainRequest | None:
    """Return the request that waits for a second person; none where it expired or is about a call that is over."""
    row = AgainRequest.objects.filter(order=order, outcome="").select_related("asked_by").first()
    return row if row is not None and not _over(row, order, now) else None


def _over(row: AgainRequest, order: Order, now: datetime) -> str:
    if order.state != State.OUTCOME_UNKNOWN or row.call_at != order.submitted_at:
        return OVERTAKEN
    return EXPIRED if row.expires_at <= now else ""


def ask(order: Order, who: int, reason: str, now: datetime) -> AgainRequest:
    """Write a request down; raises `Conflict` where one is open, or where it is too soon to know."""
    too_soon(order, now)
    before = AgainRequest.objects.filter(order=order, outcome="").first()
    if before is not None:
        over = _over(before, order, now)
        if not over:
            raise Conflict(
                "Somebody has asked already to order this again.",
                remedy="Let a second person confirm or refuse that request.",
                code="asked_already",
            )
        AgainRequest.objects.filter(pk=before.pk).update(outcome=over)
    return AgainRequest.objects.create(
        id=new_id(now),
        order=order,
        call_at=order.submitted_at,
        asked_by_id=who,
        asked_at=now,
        reason=reason,
        expires_at=now + OPEN_FOR,
    )


def waiting(order: Order, now: datetime) -> AgainRequest:
    """Return the open request, or raise `Conflict`."""
    row = open_request(order, now)
    if row is None:
        raise Conflict(
            "Nobody's request to order this again is open.",
            remedy="It was decided, it expired, or the order went on; look at the order again.",
            code="not_asked",
        )
    return row


def decide(row: AgainRequest, outcome: str, who: int, answer: str, now: datetime) -> None:
    """Close a request with a person's decision."""
    row.outcome, row.decided_by_id, row.answer, row.decided_at = outcome, who, answer, now
    row.save(update_fields=["outcome", "decided_by", "answer", "decided_at"])


def too_soon(order: Order, now: datetime) -> None:
    """Raise `Conflict` while the CA's search cannot know yet, or is being asked at this moment."""
    about = _about(order)
    known_at = order.submitted_at + about.facts.search_lag if order.submitted_at is not None else now
    if "finds" in about.powers and known_at > now:
        raise Conflict(
            f"The CA's search may not know the order before {known_at:%H:%M:%S} UTC.",
            remedy="Wait until it was searched for; it may settle by itself.",
            code="too_soon",
        )
    if order.lease_until is not None and order.lease_until > now:
        raise Conflict(
            "The CA is being searched for it at this moment.",
            remedy="Look again in a moment: it may settle by itself.",
            code="too_soon",
        )


def leave_behind(order: Order, now: datetime) -> EarlierCall:
    """Write down the call that the order leaves behind, so that what the CA makes of it is found later."""
    about = _about(order)
    finds = "finds" in about.powers
    return EarlierCall.objects.create(
        id=new_id(now),
        order=order,
        number=order.again,
        version_id=order.version_id,
        intended_at=order.intended_at,
        submitted_at=order.submitted_at,
        ca_reference=order.ca_reference,
        reason=order.reason,
        decided_at=now,
        state=Later.WATCHED if finds else Later.UNSEEN,
        due_at=next_look(now, 0, about.facts.search_lag) if finds else None,
    )


def risk_of(order: Order) -> tuple[str, ...]:
    """Say what may exist twice at the CA if this order is sent again, and who cleans it up."""
    powers = _about(order).powers
    stakes = Stakes(
        common_name=order.common_name,
        connector=order.connector.name,
        reference=call_reference(order.pk, order.again),
        ca_reference=order.ca_reference,
        finds="finds" in powers,
        lists="lists" in powers,
        team=order.team.name,
    )
    return risk(stakes)


def _about(order: Order) -> Descriptor:
    return descriptor_of(order.connector.authority, order.connector.current_id)
