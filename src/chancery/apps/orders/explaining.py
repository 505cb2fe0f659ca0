"""Gathers what an explanation of an order depends on; the sentences are made in `core.explain`."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import BreakerState, Health, PoolMember
from chancery.apps.connectors.models import Connector as ConnectorRow
from chancery.apps.connectors.pace import limits
from chancery.apps.orders import again, anew, causing
from chancery.apps.orders.models import Order, OrderEvent
from chancery.core.effects import Doing
from chancery.core.errors import Absent
from chancery.core.explain import explain
from chancery.core.order import State
from chancery.core.pacing import Limits, share
from chancery.core.reasons import ERRORS
from chancery.core.standing import Connector, Decided, Error, Explanation, Facts, Pool

_VERBS = {
    "order.approved": "Approved",
    "order.agreed": "Approved",
    "order.denied": "Denied",
    "order.approval_taken_back": "Approval taken back",
    "order.cancelled": "Cancelled",
    "order.cancel_requested": "Withdrawal asked for",
    "order.confirmed": "Accepted",
    "order.adopted": "Adopted",
    "order.given_up": "Given up",
    "order.put_back": "Put back from a backup",
    "order.again_asked": "Ordering again was asked for",
    "order.again_refused": "Ordering again was refused",
    "order.ordered_again": "Ordering again was confirmed",
}
"""Event of the timeline that a person caused → what it was."""
_RECENT = 200
_MOST_COUNTED = 1000


def of(order: Order, now: datetime) -> Explanation:
    """Return why an order stands where it stands."""
    return explain(facts_of(order, now))


def facts_of(order: Order, now: datetime) -> Facts:
    """Return what an explanation depends on, as the tables have it at this moment."""
    events = list(OrderEvent.objects.filter(order=order).order_by("-id")[:_RECENT])
    first = OrderEvent.objects.filter(order=order).order_by("id").first()
    asked = again.open_request(order, now) if order.state == State.OUTCOME_UNKNOWN else None
    rules = first.detail.get("rules", []) if first is not None else []
    return Facts(
        now=now,
        state=State(order.state),
        asks=order.asks,
        approval_waits=anew.waits(order, now),
        connector=_connector(order, now),
        pool=_pool(order, events),
        profile=order.profile.name,
        deadline_at=order.deadline_at,
        requester=" and ".join(causing.names(order)),
        profile_changed=order.profile.updated_at > order.placed_at,
        rules=tuple((str(rule), str(outcome)) for rule, outcome in rules),
        decisions=tuple(_decision(e) for e in reversed(events) if e.kind in _VERBS and _by_a_person(e)),
        reason=order.reason,
        error=_error(events),
        version=order.version.number if order.version is not None else None,
        due_at=order.due_at,
        lease_until=order.lease_until,
        attempt=order.attempt,
        searches=order.searches,
        pending_kind=order.pending_kind,
        cancel_requested=order.cancel_requested,
        ordered_again=order.again,
        second_person=str(asked.asked_by) if asked is not None else "",
        worker_alive=connectors.worker_alive(now),
    )


def _by_a_person(event: OrderEvent) -> bool:
    return event.actor != "engine" and not anew.ITSELF.items() <= event.detail.items()


def _decision(event: OrderEvent) -> Decided:
    return Decided(_VERBS[event.kind], event.actor, event.at, event.text)


def _error(events: list[OrderEvent]) -> Error | None:
    """Return the error of the engine's last step; none where that step went well. `events`: the newest first."""
    last = next((e for e in events if e.actor == "engine"), None)
    if last is None or last.detail.get("error") not in ERRORS:
        return None
    detail, doing = last.detail, Doing(last.detail["doing"])
    # A line without `act` is from before looks were told from acts: of it only a submission's is certain.
    sent = detail["bytes_sent"] if doing is Doing.SUBMIT or "act" in detail else None
    return Error(detail["error"], doing, bytes_sent=sent, text=detail["said"])


def _pool(order: Order, events: list[OrderEvent]) -> Pool:
    pool = order.profile.pool
    rows = PoolMember.objects.filter(pool=pool, connector__deleted_at=None).select_related("connector")
    members = tuple((m.connector.name, m.connector.usable) for m in rows.order_by("preference"))
    # Whoever chooses among several connectors, or moves an order to another, records the proof under this key.
    because = next((e.text for e in events if e.detail.get("routed")), "")
    return Pool(pool.name, members, because)


def _connector(order: Order, now: datetime) -> Connector:
    row = order.connector
    try:
        about = descriptor_of(row.authority, row.current_id)
    except Absent:
        about = None
    facts = about.facts if about is not None else None
    under_way, ahead = _line(order, now) if order.state == State.QUEUED else (0, 0)
    pace = limits(row, facts) if facts is not None else Limits(0, 0.0, 0)
    return Connector(
        name=row.name,
        active=row.usable,
        installed=about is not None,
        health=row.get_health_display(),
        health_text=row.health_text,
        paused_until=row.breaker_until,
        login_refused=row.health in {Health.LOGIN_REFUSED, Health.NO_RIGHTS},
        stopped=row.breaker == BreakerState.STOPPED,
        one_at_a_time=row.breaker == BreakerState.HALF_OPEN and facts is not None and not facts.cpu_bound,
        seats=pace.seats,
        per_second=round(pace.rate * share(row.slowed, row.slowed_at, now), 3),
        finds=about is not None and "finds" in about.powers,
        cancels=about is not None and "cancels" in about.powers,
        search_lag=facts.search_lag if facts is not None else timedelta(0),
        search_tries=facts.search_tries if facts is not None else 0,
        version=_version(row),
        under_way=under_way,
        ahead=ahead,
    )


def _version(row: ConnectorRow) -> int | None:
    return row.current.number if row.current is not None else None


def _line(order: Order, now: datetime) -> tuple[int, int]:
    """Return how many orders of the connector are under way, and how many of the team go before this one; both capped."""
    others = Order.objects.filter(connector=order.connector_id)
    busy = others.filter(due_at__gt=now, lease_until__gt=now)
    sooner = Q(deadline_at__lt=order.deadline_at) | Q(deadline_at=order.deadline_at, id__lt=order.pk)
    ahead = others.filter(sooner, state=State.QUEUED, team=order.team_id)
    return busy[:_MOST_COUNTED].count(), ahead[:_MOST_COUNTED].count()
