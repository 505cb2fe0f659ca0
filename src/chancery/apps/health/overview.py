"""The installation at a glance: connectors by health, orders by state, what was issued, what expires and what is renewed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Sum
from django.db.models.functions import TruncDate

from chancery.apps.certificates import queries as certificates
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Status
from chancery.apps.health.models import COARSE, ISSUED, Bucket
from chancery.apps.orders import queries as orders
from chancery.apps.orders.models import Order
from chancery.apps.renewals import queries as renewals
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import capped_count
from chancery.core.order import ENDS, OPEN

if TYPE_CHECKING:
    from chancery.apps.renewals.queries import Forecast
    from chancery.apps.shared.actor import Actor

DAYS, NEWEST = 30, 10_000
INACTIVE = "inactive"


@dataclass(frozen=True)
class Overview:
    """What an actor sees at a glance.

    `health` is measured health → number of active connectors, with `INACTIVE` for the others. `open` is state → number of
    orders, as people read it, above ten thousand cut; `ended` is state → number, of the newest `NEWEST` orders alone, since
    how many ended before would have to be counted one by one. States without any are left out. `issued` is the number of
    each of the last thirty days, by UTC. `expiring` is the number of valid certificates that end in each of the weeks
    of the forecast.
    """

    health: dict[str, int]
    open: dict[str, str]
    ended: dict[str, int]
    days: list[date]
    issued: list[int]
    expiring: list[int]
    forecast: Forecast


def overview(actor: Actor) -> Overview:
    """Return what the actor may see of the whole."""
    now = current_clock().now()
    forecast = renewals.forecast(actor)
    days, issued = _issued(actor, now)
    expiring = _expiring(actor, forecast.starts)
    return Overview(_health(actor), _open(actor), _ended(actor), days, issued, expiring, forecast)


def _health(actor: Actor) -> dict[str, int]:
    rows = connectors.visible_to(actor).order_by().values_list("status", "health").annotate(n=Count("pk"))
    counted: Counter[str] = Counter()
    for status, health, number in rows:
        counted[health if status == Status.ACTIVE else INACTIVE] += number
    return dict(sorted(counted.items()))


def _open(actor: Actor) -> dict[str, str]:
    rows = orders.visible_to(actor)
    counted = {str(state): capped_count(rows.filter(state=state)) for state in sorted(OPEN)}
    return {state: number for state, number in counted.items() if number != "0"}


def _ended(actor: Actor) -> dict[str, int]:
    newest = orders.visible_to(actor).order_by("-id").values("pk")[:NEWEST]
    rows = Order.objects.filter(pk__in=newest, state__in=sorted(ENDS)).order_by("state")
    return dict(rows.values_list("state").annotate(n=Count("pk")))


def _issued(actor: Actor, now: datetime) -> tuple[list[date], list[int]]:
    last = now.astimezone(UTC).date()
    days = [last - timedelta(days=DAYS - 1 - n) for n in range(DAYS)]
    first = datetime.combine(days[0], datetime.min.time(), UTC)
    rows = Bucket.objects.filter(width=COARSE, start__gte=first, outcome=ISSUED)
    rows = rows.filter(connector__in=connectors.visible_to(actor).order_by().values("pk"))
    by_day = rows.annotate(day=TruncDate("start", tzinfo=UTC)).values_list("day").annotate(n=Sum("number"))
    found = dict(by_day.order_by())
    return days, [found.get(day, 0) for day in days]


def _expiring(actor: Actor, starts: list[datetime]) -> list[int]:
    rows = certificates.visible_to(actor).filter(revoked_at__isnull=True).order_by()
    ends = [*starts[1:], starts[-1] + (starts[1] - starts[0])]
    return [rows.filter(not_after__gte=a, not_after__lt=b).count() for a, b in zip(starts, ends, strict=True)]
