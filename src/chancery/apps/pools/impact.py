"""What hangs on a connector: shown before it is edited, switched off or deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Min, Q

from chancery.apps.accounts.permissions import Permission
from chancery.apps.bots.models import Target
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector, Pool, PoolMember
from chancery.apps.orders.models import Order
from chancery.apps.pools import queries
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals.models import Plan
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import COUNT_CAP, count_text
from chancery.apps.shared.scope import visible
from chancery.core.order import OPEN, State

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from chancery.apps.shared.actor import Actor

AHEAD = timedelta(days=30)
NAMED = 20


@dataclass(frozen=True)
class Counted:
    """How many there are, as people read it, and the first of those that the reader may see."""

    number: str
    first: list[tuple[str, str]] = field(default_factory=list)
    """Id and name, at most `NAMED`."""


@dataclass(frozen=True)
class Dependent:
    """A profile that orders through the connector, and who would take its orders then; '' where they would wait."""

    profile: Profile
    pool: str
    stand_ins: str


@dataclass(frozen=True)
class Impact:
    """What depends on a connector now, counted over everybody's things and named as far as the reader may see them."""

    connector: Connector
    held: Counted
    """Orders that wait here and that no CA has seen: they would wait on, or go to a stand-in."""
    on_their_way: Counted
    """Orders that the CA has or may have: they are followed to their end, whatever is done."""
    profiles: list[Dependent]
    """The first of them by name, `NAMED` at most."""
    more_profiles: bool
    pools: list[Pool]
    renewals: Counted
    first_renewal: datetime | None
    certificates: Counted
    """Valid ones that were issued through it: with the connector the way to revoke them goes."""
    bots: Counted


def of(actor: Actor, ident: object) -> Impact:
    """Return what hangs on a connector that the actor may see."""
    connector = connectors.get(actor, ident)
    now = current_clock().now()
    orders = Order.objects.filter(connector=connector)
    held = orders.filter(state__in=[State.QUEUED, State.AWAITING_APPROVAL], bound=False)
    moving = orders.filter(Q(bound=True) | Q(state=State.SUBMITTING), state__in=list(OPEN))
    plans = Plan.objects.filter(connector=connector, due_at__lt=now + AHEAD, due_at__isnull=False)
    valid = Certificate.objects.filter(connector=connector, not_after__gt=now, revoked_at__isnull=True)
    profiles = _profiles(actor, connector)
    return Impact(
        connector,
        _counted(actor, held.order_by("deadline_at"), Permission.ORDER_VIEW),
        _counted(actor, moving.order_by("id"), Permission.ORDER_VIEW),
        profiles[:NAMED],
        len(profiles) > NAMED,
        queries.shared_with(connector),
        _plans(actor, plans),
        plans.aggregate(first=Min("due_at"))["first"],
        _counted(actor, valid.order_by("not_after"), Permission.CERTIFICATE_VIEW),
        _bots(actor, connector),
    )


def _counted(actor: Actor, rows: QuerySet[Order] | QuerySet[Certificate], permission: Permission) -> Counted:
    number = rows.order_by()[: COUNT_CAP + 1].count()
    if not number or not actor.may(permission):
        return Counted(count_text(number))
    first = visible(rows, actor, permission).values_list("pk", "common_name")[:NAMED]
    return Counted(count_text(number), [(str(ident), name) for ident, name in first])


def _plans(actor: Actor, plans: QuerySet[Plan]) -> Counted:
    number = plans[: COUNT_CAP + 1].count()
    if not number or not actor.may(Permission.CERTIFICATE_VIEW):
        return Counted(count_text(number))
    rows = visible(plans, actor, Permission.CERTIFICATE_VIEW).order_by("due_at", "id")
    first = rows.values_list("certificate", "certificate__common_name")[:NAMED]
    return Counted(count_text(number), [(str(ident), name) for ident, name in first])


def _profiles(actor: Actor, connector: Connector) -> list[Dependent]:
    rows = Profile.objects.filter(pool__members__connector=connector, deleted_at=None).select_related("pool")
    if not actor.may(Permission.PROFILE_VIEW):
        return []
    seen = list(visible(rows, actor, Permission.PROFILE_VIEW).order_by("name_key")[: NAMED + 1])
    others = _stand_ins({p.pool_id for p in seen}, connector)
    return [Dependent(p, p.pool.name if p.pool.shared else "", ", ".join(others.get(p.pool_id, []))) for p in seen]


def _stand_ins(pools: set[UUID], connector: Connector) -> dict[UUID, list[str]]:
    """Return pool → the names of those that take orders beside the connector, preferred ones first."""
    others = PoolMember.objects.filter(
        pool__in=pools, draining=False, connector__deleted_at=None, connector__status="active"
    )
    found: dict[UUID, list[str]] = {}
    rows = others.exclude(connector=connector).order_by("preference")
    for pool, name in rows.values_list("pool", "connector__name"):
        found.setdefault(pool, []).append(name)
    return found


def _bots(actor: Actor, connector: Connector) -> Counted:
    pools = PoolMember.objects.filter(connector=connector).values("pool")
    rows = Target.objects.filter(profile__pool__in=pools, deleted_at=None).select_related("bot").order_by("id")
    number = rows[: COUNT_CAP + 1].count()
    may = [t for t in rows[:NAMED] if actor.may(Permission.BOT_VIEW, t.bot.team_id, t.bot.environment_id)]
    return Counted(count_text(number), [(str(t.bot_id), f"{t.bot.name}: {t.name}") for t in may])
