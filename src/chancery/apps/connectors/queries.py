"""Reading connectors. Every door, and the choice of where an order may go, reads through here."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from chancery import catalog
from chancery.apps.accounts import queries as people
from chancery.apps.accounts.permissions import Permission
from chancery.apps.bots.models import Target
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import FILTERED, Call, Connector, Health, Pool, PoolMember, Status, WorkerBeat
from chancery.apps.inventory.models import PULL_OPEN, Decision, Finding, Pull
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import EVERYTHING, MAX_SIZE, starting
from chancery.apps.shared.paging import COUNT_CAP, Filter, Page, by_id, count_text, one_of, paginate
from chancery.apps.shared.returning import counted
from chancery.apps.shared.scope import scope, visible
from chancery.apps.shared.texts import clean, fold
from chancery.core.errors import Absent, Blocker
from chancery.core.order import OPEN, State
from chancery.sdk.authority import Descriptor
from chancery.sdk.config import irreplaceable_names

_WAITING = """
SELECT c.id, (SELECT COUNT(*) FROM (SELECT 1 FROM orders_order o
                                    WHERE o.connector_id = c.id AND o.due_at IS NOT NULL LIMIT %s) AS waiting)
FROM connectors_connector c WHERE c.id"""
BEAT_FRESH = timedelta(seconds=5)
NAMES = 200
"""Connectors that a list to pick from holds; those of a page of connectors lead to their orders by themselves."""
NAMED = 20
"""Certificates that a preview names; a link leads to all of them."""
SORTS = ("name", "-name", "created_at", "-created_at")
_ORDERS = {"name": "name_key", "-name": "-name_key"}


def visible_to(actor: Actor) -> QuerySet[Connector]:
    """Return the undeleted connectors that the actor may see."""
    return visible(_known(), actor, Permission.CONNECTOR_VIEW)


def _known() -> QuerySet[Connector]:
    return Connector.objects.filter(deleted_at=None).select_related("environment", "team", "current")


def names(actor: Actor, selected: str = "") -> list[tuple[UUID, str]]:
    """Return id and name of the first `NAMES` visible connectors, by CA type and name, and of the `selected` one."""
    rows = visible(Connector.objects.filter(deleted_at=None), actor, Permission.CONNECTOR_VIEW)
    found: list[tuple[UUID, str]] = list(rows.order_by("authority", "name_key").values_list("pk", "name")[:NAMES])
    chosen = by_id(rows, selected) if selected and len(found) == NAMES else None
    if chosen is not None and (chosen.pk, chosen.name) not in found:
        found.append((chosen.pk, chosen.name))
    return found


def usable_connectors(actor: Actor) -> QuerySet[Connector]:
    """Return the connectors that new work may use: what profiles are made for, in every door.

    Whether an order placed through a profile waits is the same question of one row: `Connector.usable`.
    """
    return visible_to(actor).filter(status=Status.ACTIVE)


def own_pool(connector: Connector) -> Pool:
    """Return the pool that is this connector alone: what a profile points at that names no pool."""
    return PoolMember.objects.filter(connector=connector, pool__shared=False).order_by("pool__created_at")[0].pool


def get(actor: Actor, ident: object) -> Connector:
    """Return one visible connector, or raise `Absent`."""
    found = by_id(visible_to(actor), ident)
    if found is None:
        raise Absent("connector", ident)
    return found


@dataclass(frozen=True)
class TypeSummary:
    """One CA type on the overview."""

    descriptor: Descriptor
    total: int
    active: int
    inactive: int
    health: dict[str, int]


def overview(actor: Actor) -> list[TypeSummary]:
    """Return every known CA type with its counts, by title."""
    counted = visible_to(actor).order_by().values_list("authority", "status", "health").annotate(n=Count("pk"))
    rows = list(counted)
    return [_summary(d, [(s, h, n) for a, s, h, n in rows if a == d.slug]) for d in catalog.descriptors()]


@dataclass(frozen=True)
class Unusable:
    """A CA type that cannot be used, why, and how many connectors it has all the same."""

    slug: str
    reason: str
    total: int


def unusable(actor: Actor) -> list[Unusable]:
    """Return the CA types that do not load, and those of visible connectors that no package brings any more, by slug."""
    there = {d.slug for d in catalog.descriptors()}
    counted = dict(visible_to(actor).order_by().values_list("authority").annotate(n=Count("pk")))
    slugs = sorted(({b.slug for b in catalog.broken()} | set(counted)) - there)
    return [Unusable(slug, catalog.why_not(slug), counted.get(slug, 0)) for slug in slugs]


def title(actor: Actor, slug: str) -> str:
    """Return what a CA type is called: its slug where it cannot be used and the actor sees connectors of it, else raises `Absent`."""
    descriptor = catalog.find(slug)
    if descriptor is not None:
        return descriptor.title
    if not visible_to(actor).filter(authority=slug).exists():
        catalog.get(slug)
    return slug


def _summary(descriptor: Descriptor, rows: list[tuple[str, str, int]]) -> TypeSummary:
    health = {h: sum(n for _, x, n in rows if x == h) for h in Health.values}
    active = sum(n for s, _, n in rows if s == Status.ACTIVE)
    total = sum(n for *_, n in rows)
    return TypeSummary(descriptor, total, active, total - active, {h: n for h, n in health.items() if n})


def listing(
    actor: Actor,
    authority: str,
    *,
    status: str = "",
    health: str = "",
    environment: str = "",
    region: str = "",
    search: str = "",
    sort: str = "name",
    cursor: str = "",
    size: int = 50,
) -> Page[Connector]:
    """Return one page of the connectors of a CA type. `environment` is a name or an id; capitals tell nothing apart."""
    one_of("status", status, Status.values)
    one_of("health", health, Health.values)
    one_of("sort", sort, SORTS)
    asked = {"status": status, "health": health, "environment": environment and people.environment(environment).pk}
    asked["region_key"] = fold(clean("region", region, len(region)))
    wanted = [Q(**{column: asked[column]}) for column in FILTERED if asked[column]]
    rows = _known().filter(authority=authority)
    order = "name_key" if search else _ORDERS.get(sort or "name", sort)
    span = starting(fold(search)) if search else EVERYTHING
    # One of them together with the names is a range of an index; the others are looked at row by row.
    served = wanted[:1] if "name_key" in order else []
    filters = [Filter(q, served=False) for q in wanted[len(served) :]]
    within = scope(actor, Permission.CONNECTOR_VIEW)
    rows = rows.filter(*served)
    return paginate(rows, order=order, cursor=cursor, size=size, span=span, filters=filters, scope=within)


def listing_all(
    actor: Actor, *, authority: str = "", name: str = "", cursor: str = "", size: int = 50
) -> Page[Connector]:
    """Return one page of the connectors of every CA type, oldest first; or, of all or one, those called `name`."""
    rows = _known()
    if name:
        found = rows.filter(name=name, name_key=fold(name), **({"authority": authority} if authority else {}))
        rows = rows.filter(pk__in=list(found.values_list("pk", flat=True)[:MAX_SIZE]))
    return paginate(rows, order="id", cursor=cursor, size=size, scope=scope(actor, Permission.CONNECTOR_VIEW))


def queues(connectors: Iterable[Connector]) -> dict[str, str]:
    """Return connector id → number of orders that the engine has yet to finish, for the rows of one page.

    As people read it: above ten thousand it is not counted on.
    """
    found = counted(_WAITING, [c.pk for c in connectors], COUNT_CAP + 1)
    return {str(ident): count_text(number) for ident, number in found.items() if number}


def in_flight(connector: Connector) -> int:
    """Return how many submissions are at the CA, or on their way, at this moment."""
    return Order.objects.filter(connector=connector, state=State.SUBMITTING).count()


@dataclass(frozen=True)
class Preview:
    """What deleting a connector would meet: what forbids it, and what it would strand."""

    connector: Connector
    blockers: list[Blocker] = field(default_factory=list)
    unrevocable: int = 0
    """How many valid certificates could no longer be revoked through it."""
    first: list[Certificate] = field(default_factory=list)
    """Those of them that expire last, at most `NAMED`."""
    erased: list[str] = field(default_factory=list)
    """Titles of the secrets that exist nowhere else; while there are any, deleting takes the connector's name."""
    broken: str = ""
    """Why its CA type cannot be used; then nobody knows which secrets exist elsewhere, and all of them are named."""


def delete_preview(actor: Actor, ident: object) -> Preview:
    """Return what stands in the way of deleting a connector."""
    connector = get(actor, ident)
    stranded = _unrevocable(connector)
    named = visible(stranded, actor, Permission.CERTIFICATE_VIEW).order_by("-not_after", "-id").defer("der")
    first = list(named[:NAMED])
    why = catalog.why_not(connector.authority)
    return Preview(connector, blockers(connector), stranded.count(), first, erased(connector), why)


def erased(connector: Connector) -> list[str]:
    """Return the titles of the secrets that would be gone for good with this connector.

    Where its CA type cannot be used, nothing here knows which of them exist elsewhere: all of them, by name.
    """
    stored = {name for secrets in connector.versions.values_list("secrets", flat=True) for name in secrets}
    descriptor = catalog.find(connector.authority)
    if descriptor is None:
        return sorted(stored)
    config = descriptor.config
    names = sorted(irreplaceable_names(config) & stored)
    return [config.model_fields[name].title or name for name in names]


def blockers(connector: Connector) -> list[Blocker]:
    """Return everything that uses the connector: profiles, shared pools, bots, open orders and revocations, the inventory."""
    return [
        *_pool_blockers(connector),
        *_bot_blockers(connector),
        *_order_blockers(connector),
        *_revocation_blockers(connector),
        *_inventory_blockers(connector),
    ]


def _pool_blockers(connector: Connector) -> list[Blocker]:
    mine = PoolMember.objects.filter(connector=connector).select_related("pool")
    shared = [
        Blocker("pool", m.pool.name, str(m.pool_id), "it is a member of this pool") for m in mine if m.pool.shared
    ]
    own = [m.pool_id for m in mine if not m.pool.shared]
    found = list(Profile.objects.filter(pool__in=own, deleted_at=None).order_by("name_key")[: NAMED + 1])
    text = "orders with this profile go to this connector"
    profiles = [Blocker("profile", p.name, str(p.pk), text) for p in found[:NAMED]]
    more = [Blocker("profiles", "more", "", "there are further profiles")] if len(found) > NAMED else []
    return [*profiles, *more, *shared]


def _bot_blockers(connector: Connector) -> list[Blocker]:
    pools = PoolMember.objects.filter(connector=connector, pool__shared=False).values("pool")
    targets = Target.objects.filter(profile__pool__in=pools, deleted_at=None).select_related("bot").order_by("id")[:20]
    return [Blocker("bot", t.bot.name, str(t.bot_id), f"orders through it for its target {t.name}") for t in targets]


def _order_blockers(connector: Connector) -> list[Blocker]:
    rows = Order.objects.filter(connector=connector, state__in=list(OPEN)).order_by("id")
    return [Blocker("order", o.common_name, str(o.pk), f"is {o.state.replace('_', ' ')}") for o in rows[:20]] + (
        [Blocker("orders", "more", "", "there are further open orders")] if rows[20:21].exists() else []
    )


def _revocation_blockers(connector: Connector) -> list[Blocker]:
    rows = Certificate.objects.filter(connector=connector, due_at__isnull=False)[:20]
    return [Blocker("certificate", c.common_name, str(c.pk), "its revocation is not finished") for c in rows]


def _inventory_blockers(connector: Connector) -> list[Blocker]:
    open_pulls = Pull.objects.filter(connector=connector, state__in=PULL_OPEN)
    pulls = [Blocker("inventory", connector.name, str(p.pk), "its CA's list is being pulled") for p in open_pulls]
    fetched = Finding.objects.filter(connector=connector, state=Decision.FETCHING)[:20]
    return pulls + [Blocker("finding", f.common_name, str(f.pk), "its certificate is being fetched") for f in fetched]


def _unrevocable(connector: Connector) -> QuerySet[Certificate]:
    """Return the connector's certificates as the list of its valid ones shows them; none where the CA cannot revoke."""
    # With its package they could be revoked again.
    installed = catalog.find(connector.authority) is not None
    if installed and "revokes" not in descriptor_of(connector.authority, connector.current_id).powers:
        return Certificate.objects.none()
    now = current_clock().now()
    return Certificate.objects.filter(connector=connector, not_after__gt=now, revoked_at__isnull=True)


def call(actor: Actor, ident: object) -> Call:
    """Return one outgoing act that the actor asked for, or whose connector they may see."""
    found = by_id(Call.objects.select_related("connector"), ident)
    if found is None or not _may_see(actor, found):
        raise Absent("call", ident)
    return found


def _may_see(actor: Actor, found: Call) -> bool:
    if found.connector is not None:
        return visible_to(actor).filter(pk=found.connector.pk).exists()
    return found.asked_by == actor.name


def worker_alive(now: datetime) -> bool:
    """Say whether some worker gave a sign of life within the last five seconds."""
    return WorkerBeat.objects.filter(kind="worker", seen_at__gt=now - BEAT_FRESH).exists()


CSV_COLUMNS = (
    "name", "authority", "base_url", "status", "health", "environment", "region", "team", "owner", "contact", "last_issue_at",
)  # fmt: skip


def as_csv(connectors: Iterable[Connector]) -> str:
    """Return connectors as CSV without secrets; cells that a spreadsheet would run are defused."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for row in connectors:
        writer.writerow([_cell(str(getattr(row, column) or "")) for column in CSV_COLUMNS])
    return out.getvalue()


def _cell(text: str) -> str:
    # NFKC: some spreadsheets read the wide signs of East Asian keyboards as the plain ones.
    start = unicodedata.normalize("NFKC", text[:1])
    return f"'{text}" if start in {"=", "+", "-", "@", "\t", "\r"} else text
