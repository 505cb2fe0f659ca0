"""Reading plans, and what is to come: renewals per week against what each connector can do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import queries as certificates
from chancery.apps.connectors.descriptors import descriptor_with
from chancery.apps.connectors.models import Connector
from chancery.apps.renewals.models import Plan, PlanState
from chancery.apps.renewals.renewing import latest
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import Filter, Page, one_of, paginate
from chancery.apps.shared.scope import scope, visible

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

WEEKS = 13
BUSIEST = 50
"""Connectors whose renewals are told apart: those that have the most."""
_WEEK = timedelta(days=7)
_TIGHT = 0.8
STATES = tuple(PlanState.values)


def visible_to(actor: Actor) -> QuerySet[Plan]:
    """Return the plans of the certificates that the actor may see."""
    return visible(Plan.objects.all(), actor, Permission.CERTIFICATE_VIEW)


def of(actor: Actor, ident: object) -> Plan | None:
    """Return the plan of a visible certificate; None where it has none yet. Raises `Absent`."""
    row = certificates.get(actor, ident)
    plan = Plan.objects.select_related("order", "certificate").filter(pk=row.pk).first()
    if plan is not None and plan.order is None:
        # What a person has just ordered, the engine notes only when the renewal is due.
        plan.order = latest(row)
    return plan


def listing(actor: Actor, *, state: str = "", cursor: str = "", size: int = 50) -> Page[Plan]:
    """Return one page of plans: those in a state by id, else what is to be renewed, the next ones first."""
    one_of("state", state, STATES)
    rows = Plan.objects.select_related("certificate", "connector", "profile").defer("certificate__der", "csr")
    within = scope(actor, Permission.CERTIFICATE_VIEW)
    if state:
        return paginate(rows, order="id", cursor=cursor, size=size, filters=[Filter(Q(state=state))], scope=within)
    return paginate(rows.filter(due_at__isnull=False), order="due_at", cursor=cursor, size=size, scope=within)


@dataclass
class Load:
    """Renewals of one connector in each week, against the most that its rate lets through in one."""

    connector: Connector
    per_second: float
    limited: bool = True
    """False where certificates are signed here, so that no rate holds them back."""
    weeks: list[int] = field(default_factory=lambda: [0] * WEEKS)

    @property
    def capacity(self) -> int:
        """Return how many calls a week has room for; a renewal takes at least one."""
        return int(self.per_second * _WEEK.total_seconds())

    @property
    def total(self) -> int:
        """Return the renewals of all weeks."""
        return sum(self.weeks)

    @property
    def tight(self) -> list[int]:
        """Return the indexes of the weeks that take more than four fifths of the rate."""
        return [n for n, number in enumerate(self.weeks) if number > self.capacity * _TIGHT]


@dataclass(frozen=True)
class Forecast:
    """What is to be renewed: `starts` of the weeks, the renewals of all connectors in each, and what is overdue already.

    `loads` are those of the connectors with the most of them, `BUSIEST` at most; `more` says that there are others.
    """

    starts: list[datetime]
    weeks: list[int]
    loads: list[Load]
    overdue: int
    more: bool


def forecast(actor: Actor) -> Forecast:
    """Return the renewals of the next thirteen weeks; what is overdue counts to the first."""
    now = current_clock().now()
    starts = [now + _WEEK * n for n in range(WEEKS)]
    rows = visible_to(actor).filter(due_at__isnull=False).order_by()
    every = rows.filter(due_at__lt=starts[-1] + _WEEK).values_list("connector").annotate(n=Count("id"))
    busiest = [connector for connector, _n in every.order_by("-n", "connector")[: BUSIEST + 1]]
    counted = {connector: [0] * WEEKS for connector in busiest[:BUSIEST]}
    weeks = []
    for n, start in enumerate(starts):
        week = rows.filter(due_at__lt=start + _WEEK, **({"due_at__gte": start} if n else {}))
        weeks.append(week.count())
        for connector, number in week.filter(connector__in=counted).values_list("connector").annotate(n=Count("id")):
            counted[connector][n] = number
    overdue = rows.filter(due_at__lte=now).count()
    return Forecast(starts, weeks, _loads(counted), overdue, len(busiest) > BUSIEST)


def _loads(counted: dict[UUID, list[int]]) -> list[Load]:
    rows: Iterable[Connector] = Connector.objects.filter(pk__in=counted).select_related("current")
    found = [Load(row, *_rate(row), counted[row.pk]) for row in rows]
    return sorted(found, key=lambda load: (-load.total, load.connector.name_key))


def _rate(row: Connector) -> tuple[float, bool]:
    try:
        facts = descriptor_with(row).facts
    except Exception:  # an authority that is not installed any more, or that somebody else wrote
        return 0.0, True
    return facts.calls_per_second, not facts.cpu_bound
