"""Reading pools, and what hangs on a connector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors.models import Connector, Pool, PoolMember
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Page, by_id, paginate
from chancery.apps.shared.scope import scope, visible
from chancery.apps.shared.texts import fold, unfit
from chancery.core.errors import Absent

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

NAMES = 200
"""Pools that a list to pick from holds."""


def visible_to(actor: Actor) -> QuerySet[Pool]:
    """Return the pools that people made and that the actor may see."""
    return visible(_known(), actor, Permission.POOL_VIEW)


def _known() -> QuerySet[Pool]:
    return Pool.objects.filter(shared=True, deleted_at=None).select_related("team", "environment")


def get(actor: Actor, ident: object) -> Pool:
    """Return one visible pool by id or name, or raise `Absent`."""
    return pick(visible_to(actor), ident)


def pick(rows: QuerySet[Pool], ident: object) -> Pool:
    """Return the one of `rows` with this id or name, or raise `Absent`."""
    found = find(rows, ident)
    if found is None:
        raise Absent("pool", ident)
    return found


def find(rows: QuerySet[Pool], ident: object) -> Pool | None:
    """Return the one of `rows` with this id or name, None where there is none."""
    text = str(ident)
    named = None if unfit({"pool": text}) else rows.filter(name_key=fold(text), name=text).first()
    return by_id(rows, ident) or named


def listing(actor: Actor, *, search: str = "", cursor: str = "", size: int = 50) -> Page[Pool]:
    """Return one page of pools by name."""
    span = starting(fold(search)) if search else EVERYTHING
    within = scope(actor, Permission.POOL_VIEW)
    return paginate(_known(), order="name_key", cursor=cursor, size=size, span=span, scope=within)


def usable(actor: Actor, search: str = "") -> list[Pool]:
    """Return the first pools that profiles may be made for, by name; those that begin with `search`."""
    rows = visible_to(actor).filter(starting(fold(search)).on("name_key")) if search else visible_to(actor)
    return list(rows.order_by("name_key")[:NAMES])


def members(pool: Pool) -> list[PoolMember]:
    """Return the members of a pool, preferred ones first."""
    rows = PoolMember.objects.filter(pool=pool, connector__deleted_at=None)
    return list(rows.select_related("connector__environment").order_by("preference", "connector__name_key"))


def members_of(pools: Iterable[Pool]) -> dict[UUID, list[PoolMember]]:
    """Return pool id → its members, for the rows of one page."""
    found: dict[UUID, list[PoolMember]] = {}
    rows = PoolMember.objects.filter(pool__in=list(pools), connector__deleted_at=None).select_related("connector")
    for row in rows.order_by("preference", "connector__name_key"):
        found.setdefault(row.pool_id, []).append(row)
    return found


def profiles(pool: Pool) -> QuerySet[Profile]:
    """Return the profiles that order through a pool, by name."""
    return Profile.objects.filter(pool=pool, deleted_at=None).order_by("name_key")


def used(pools: Iterable[Pool]) -> dict[UUID, int]:
    """Return pool id → how many profiles order through it."""
    rows = Profile.objects.filter(pool__in=list(pools), deleted_at=None).values_list("pool").annotate(n=Count("pk"))
    return dict(rows)


def shared_with(connector: Connector) -> list[Pool]:
    """Return the pools that people made and that a connector is a member of."""
    rows = Pool.objects.filter(Q(members__connector=connector), shared=True, deleted_at=None)
    return list(rows.order_by("name_key"))
