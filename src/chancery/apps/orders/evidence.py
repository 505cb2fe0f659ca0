"""What is known about a call to a CA: what was sent, what came back, what was searched for, and what follows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.orders import again
from chancery.apps.orders.models import AgainRequest, EarlierCall, Order, OrderEvent
from chancery.core.again import call_reference
from chancery.core.errors import Absent
from chancery.core.order import State
from chancery.core.spoken import lasting
from chancery.sdk.authority import Dedup, Descriptor

_SENT_ANEW = ("order.ordered_again", "order.settled_absent", "order.requeued", "order.confirmed")
"""After these the order is sent once more; what was known of the call before is no evidence of the next one."""
_ANSWERED_LATE = "order.answered_late"
_MOST = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """What went to the CA: hashes in hex of request and key, the reference, when, and by which settings version."""

    csr_sha256: str
    spki_sha256: str
    reference: str
    intended_at: datetime | None
    submitted_at: datetime | None
    version: int | None
    ca_reference: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came back of the answer: `error` is the kind of error, `said` the CA's own code and text, cut and scrubbed."""

    at: datetime
    text: str
    error: str
    bytes_sent: bool | None
    said: str


@dataclass(frozen=True, slots=True)
class Search:
    """One search, or several in a row that failed alike: how often, and when the last one was."""

    at: datetime
    text: str
    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Settling:
    """How an unknown outcome settles by itself: the way in words, the search lag, and when the engine looks next."""

    way: str
    finds: bool
    search_lag: timedelta
    searches: int
    search_tries: int
    next_look_at: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. `risk` is empty where nothing is to be decided."""

    sent: Sent
    arrived: Arrived | None
    searches: tuple[Search, ...]
    settling: Settling
    risk: tuple[str, ...]
    request: AgainRequest | None
    earlier: tuple[EarlierCall, ...]


def of(order: Order, now: datetime) -> Evidence:
    """Return the evidence about an order's present call, and the calls that it left behind."""
    unknown = order.state == State.OUTCOME_UNKNOWN
    about = _about(order)
    events = _present(order)
    return Evidence(
        _sent(order),
        _arrived(events),
        tuple(_search(e) for e in events.filter(kind="order.searched").order_by("id")[:_MOST]),
        _settling(order, about),
        again.risk_of(order) if unknown and about is not None else (),
        again.open_request(order, now) if unknown else None,
        tuple(EarlierCall.objects.filter(order=order).select_related("version", "finding").order_by("number")),
    )


def _about(order: Order) -> Descriptor | None:
    try:
        return descriptor_of(order.connector.authority, order.connector.current_id)
    except Absent:
        return None


def _present(order: Order) -> QuerySet[OrderEvent]:
    """Return the events since the present call was due: the one before it, where that one's answer came after all."""
    events = OrderEvent.objects.filter(order=order)
    begun: list[UUID] = []
    turns = events.filter(kind__in=(*_SENT_ANEW, _ANSWERED_LATE)).order_by("id")
    for ident, kind in turns.values_list("pk", "kind"):
        if kind == _ANSWERED_LATE:
            del begun[-1:]
        else:
            begun.append(ident)
    return events.filter(pk__gt=begun[-1]) if begun else events


def _sent(order: Order) -> Sent:
    return Sent(
        hashlib.sha256(bytes(order.csr)).hexdigest(),
        order.spki_sha256,
        call_reference(order.pk, order.again),
        order.intended_at,
        order.submitted_at,
        order.version.number if order.version is not None else None,
        order.ca_reference,
    )


def _arrived(events: QuerySet[OrderEvent]) -> Arrived | None:
    # The first: an adoption that failed later says nothing of what the CA answered then.
    event = events.filter(kind="order.outcome_unknown").order_by("id").first()
    if event is None:
        return None
    detail = event.detail
    return Arrived(event.at, event.text, detail.get("error", ""), detail.get("bytes_sent"), detail.get("said", ""))


def _search(event: OrderEvent) -> Search:
    last = event.detail.get("last_at")
    return Search(
        event.at, event.text, event.detail.get("times", 1), datetime.fromisoformat(last) if last else event.at
    )


def _settling(order: Order, about: Descriptor | None) -> Settling:
    if about is None:
        way = "What speaks to this type of CA is not installed here, so nothing settles by itself."
        return Settling(way, finds=False, search_lag=timedelta(0), searches=0, search_tries=0, next_look_at=None)
    facts, finds = about.facts, "finds" in about.powers
    next_look = order.due_at if order.state == State.OUTCOME_UNKNOWN else None
    return Settling(way_of(about), finds, facts.search_lag, order.searches, facts.search_tries, next_look)


def way_of(about: Descriptor) -> str:
    """Say how a CA of this type lets a lost answer be settled, in words."""
    facts = about.facts
    said = []
    if facts.dedup.harmless:
        why = {
            Dedup.RETURN_ORIGINAL: "gives the first one back when a request comes again",
            Dedup.ISSUES_LATER: "issues nothing for a request before it is asked to",
        }[facts.dedup]
        within = f" within {lasting(facts.dedup_window)}" if facts.dedup_window is not None else ""
        said.append(
            f"This CA {why}, so a request whose worker vanished is sent again{within} under the same reference."
        )
    if "finds" not in about.powers:
        said.append("It cannot be searched: a person decides what became of an answer that was lost.")
    elif facts.search_lag:
        said.append(
            f"It is searched for what was lost, never sooner than {lasting(facts.search_lag)} after the request."
        )
    else:
        said.append("It is searched for what was lost; its search knows an order at once.")
    return " ".join(said)
