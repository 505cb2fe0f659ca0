"""Moves orders that no CA has seen from one connector to another: by itself where a member of a pool is sick, or as asked.

An order that its CA has or may have (`bound`), or that a worker has claimed, is never touched: the condition is part of
the statement that moves it. The gate looks at the order's connector once more before the first byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from chancery.apps.audit.record import Note, write
from chancery.apps.connectors.models import BreakerState, Connector, PoolMember, Status
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.orders.place import EVENT_COLUMNS
from chancery.apps.orders.queries import NO_STAND_IN
from chancery.apps.pools.gathering import Setting, setting
from chancery.apps.shared.actor import Actor, engine_actor
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.returning import held, read, skip_locked
from chancery.core.ids import new_id
from chancery.core.names import Name
from chancery.core.order import State
from chancery.core.standing_in import Choice, Member, Wanted, choose

ACTION = "engine.fail_over"
EVENT = "order.rerouted"
_AT_ONCE = 250
"""Orders of a connector that are looked at in one round; what is left is looked at in the next."""
_SICK = 50
# As the engine's claim has it: the literal is what lets SQLite use the index of queued orders by urgency.
_NEXT = """
SELECT id FROM orders_order WHERE connector_id = %s AND state = 'queued' AND (deadline_at, id) > (%s, %s)
ORDER BY deadline_at, id LIMIT %s"""
_LEAST = (datetime(2000, 1, 1, tzinfo=UTC), UUID(int=0))
"""A place before every order."""


@dataclass(frozen=True)
class Moved:
    """An order, where it lay, and where the choice sends it."""

    order: Order
    home: Member
    choice: Choice
    setting: Setting


def fail_over(now: datetime, state: dict[str, Any]) -> dict[str, Any]:
    """Move what waits at sick members of pools to others that may stand in; `state` holds how far each has been gone through."""
    marks, kept = state.get("marks", {}), {}
    for connector in _out_of_order():
        mark = marks.get(str(connector.pk))
        rows = _waiting(connector, mark)
        if len(rows) == _AT_ONCE:
            kept[str(connector.pk)] = [rows[-1].deadline_at.isoformat(), str(rows[-1].pk)]
        _rescue(connector, [r for r in rows if r.profile.pool.shared and movable(r)], now)
    return {"marks": kept}


def movable(order: Order) -> bool:
    """Say whether no CA has an order or may have it, so that another connector may take it."""
    waiting = order.state in {State.QUEUED, State.AWAITING_APPROVAL}
    return waiting and not order.bound and order.fence is None


def _out_of_order() -> list[Connector]:
    pooled = PoolMember.objects.filter(pool__shared=True).values("connector")
    out = Q(sick_since__isnull=False) | Q(breaker=BreakerState.STOPPED) | Q(status=Status.INACTIVE)
    rows = Connector.objects.filter(out, deleted_at=None, pk__in=pooled).select_related("current")
    return list(rows.order_by("pk")[:_SICK])


def _waiting(connector: Connector, mark: list[str] | None) -> list[Order]:
    """Return the next queued orders of a connector, the most urgent first, locked."""
    after = (datetime.fromisoformat(mark[0]), UUID(mark[1])) if mark else _LEAST
    found = read(_NEXT + skip_locked(), [connector.pk, *after, _AT_ONCE])
    idents = [ident if isinstance(ident, UUID) else UUID(ident) for (ident,) in found]
    rows = Order.objects.filter(pk__in=idents).select_related("profile__pool").defer("csr")
    return sorted(rows, key=lambda o: (o.deadline_at, o.pk))


def _rescue(connector: Connector, orders: Sequence[Order], now: datetime) -> None:
    settings: dict[UUID, tuple[Setting, Member]] = {}
    moving: list[Moved] = []
    staying: dict[str, list[UUID]] = {}
    for order in orders:
        if order.profile_id not in settings:
            made = setting(order.profile, order.profile.pool)
            settings[order.profile_id] = made, made.home(connector)
        made, home = settings[order.profile_id]
        choice = choose(made.members, _wanted(made, order, now), home)
        if choice is None or choice.member.key == home.key:
            _stays(order, choice, staying)
        else:
            moving.append(Moved(order, home, choice, made))
    for text, idents in staying.items():
        Order.objects.filter(pk__in=idents, state=State.QUEUED).update(reason=text, reason_code=NO_STAND_IN)
    done = move(moving, now)
    _record(engine_actor(), ACTION, done, now)


def _wanted(made: Setting, order: Order, now: datetime) -> Wanted:
    names = [Name(kind, value) for kind, value in order.names]
    about: dict[str, Any] = {"now": now, "deadline": order.deadline_at, "seed": order.pk}
    return made.wanted(names, order.key_type, order.validity_days, **about)


def _stays(order: Order, choice: Choice | None, staying: dict[str, list[UUID]]) -> None:
    text = choice.text if choice is not None else ""
    if text and text != order.reason:
        staying.setdefault(text, []).append(order.pk)


def move(moving: Sequence[Moved], now: datetime) -> list[Moved]:
    """Give orders to the connectors that were chosen for them; returns those that nobody was faster with."""
    there = held(Connector, {UUID(m.choice.member.key) for m in moving}) if moving else set()
    done: list[Moved] = []
    for target, product, some in _alike(moving):
        if target not in there:
            continue
        rows = Order.objects.filter(pk__in=[m.order.pk for m in some], bound=False, fence=None)
        rows = rows.filter(state__in=[State.QUEUED, State.AWAITING_APPROVAL])
        free = set(rows.values_list("pk", flat=True))
        rows.update(
            connector_id=target, product=product, version=None, intended_at=None, submitted_at=None, attempt=0,
            reason="", reason_code="",
        )  # fmt: skip
        rows.filter(state=State.QUEUED).update(due_at=now)
        done += [m for m in some if m.order.pk in free]
    return done


def _alike(moving: Iterable[Moved]) -> list[tuple[UUID, dict[str, Any], list[Moved]]]:
    """Return what goes to one connector with one profile's settings together: a statement each."""
    found: dict[tuple[str, UUID], list[Moved]] = {}
    for one in moving:
        found.setdefault((one.choice.member.key, one.order.profile_id), []).append(one)
    return [(UUID(key), some[0].setting.product(some[0].choice.member), some) for (key, _), some in found.items()]


def _record(actor: Actor, action: str, done: Sequence[Moved], now: datetime) -> None:
    insert(OrderEvent, EVENT_COLUMNS, events(actor, done, now))
    write(actor, action, now, notes(done))


def events(actor: Actor, done: Sequence[Moved], now: datetime) -> list[tuple[Any, ...]]:
    """Return a line of the timeline for each order that was moved: why, and the proof."""
    return [
        (new_id(now), m.order.pk, now, EVENT, actor.name, m.choice.text[:1000], {"routed": m.choice.facts(m.home)})
        for m in done
    ]


def notes(done: Sequence[Moved]) -> list[Note]:
    """Return an audit note for each order that was moved."""
    return [
        Note(
            "order", str(m.order.pk), m.order.common_name, changed=("connector",), team=m.order.team_id,
            detail={"from": m.home.key, "to": m.choice.member.key, "why": m.choice.text[:500]},
        )
        for m in done
    ]  # fmt: skip
