"""Reading profiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors.models import Connector, PoolMember
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Page, by_id, paginate
from chancery.apps.shared.returning import instances
from chancery.apps.shared.scope import scope, visible
from chancery.apps.shared.texts import fold, unfit
from chancery.core.errors import Absent

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

_CALLED = "FROM profiles_profile WHERE deleted_at IS NULL AND name_key = %s AND name = %s"
_MEMBERS = """
FROM connectors_connector JOIN connectors_poolmember member ON member.connector_id = connectors_connector.id
WHERE member.pool_id = %s AND NOT member.draining AND deleted_at IS NULL ORDER BY member.preference"""


def visible_to(actor: Actor) -> QuerySet[Profile]:
    """Return the undeleted profiles that the actor may see."""
    return visible(_known(), actor, Permission.PROFILE_VIEW)


def _known() -> QuerySet[Profile]:
    return Profile.objects.filter(deleted_at=None).select_related("team", "environment", "pool")


def get(actor: Actor, ident: object) -> Profile:
    """Return one visible profile by id or name, or raise `Absent`."""
    return pick(visible_to(actor), ident)


def pick(rows: QuerySet[Profile], ident: object) -> Profile:
    """Return the one of `rows` with this id or name, or raise `Absent`."""
    text = str(ident)
    found = by_id(rows, ident) or (
        None if unfit({"profile": text}) else rows.filter(name_key=fold(text), name=text).first()
    )
    if found is None:
        raise Absent("profile", ident)
    return found


def orderable(actor: Actor, name: str) -> Profile:
    """Return what `get` returns, for each order that is placed: without the rows that it belongs to."""
    rows = [] if unfit({"profile": name}) else instances(Profile, _CALLED, [fold(name), name])
    if rows and actor.may(Permission.PROFILE_VIEW, rows[0].team_id, rows[0].environment_id):
        return rows[0]
    return get(actor, name)


def listing(actor: Actor, *, search: str = "", cursor: str = "", size: int = 50) -> Page[Profile]:
    """Return one page of profiles by name."""
    span = starting(fold(search)) if search else EVERYTHING
    within = scope(actor, Permission.PROFILE_VIEW)
    return paginate(_known(), order="name_key", cursor=cursor, size=size, span=span, scope=within)


def offered(actor: Actor) -> QuerySet[Profile]:
    """Return the profiles that the actor may see, by name, for a list to pick from; none where they see no profiles at all."""
    return (visible_to(actor) if actor.may(Permission.PROFILE_VIEW) else Profile.objects.none()).order_by("name_key")


def usable(actor: Actor) -> QuerySet[Profile]:
    """Return the profiles that the actor may order with, by name."""
    rows = offered(actor)
    return visible(rows, actor, Permission.ORDER_PLACE) if actor.may(Permission.ORDER_PLACE) else rows.none()


def members(profile: Profile) -> list[Connector]:
    """Return the connectors of a profile's pool, preferred ones first."""
    rows = Connector.objects.filter(memberships__pool=profile.pool_id, deleted_at=None)
    return list(rows.select_related("current", "environment").order_by("memberships__preference"))


def candidates(profile: Profile) -> list[Connector]:
    """Return the connectors that take new orders of a profile, preferred ones first; one, where its pool is not shared."""
    return instances(Connector, _MEMBERS, [profile.pool_id])


def route(profile: Profile) -> Connector | None:
    """Return where a new order goes: the preferred active connector, else the preferred one (it waits there)."""
    return _preferred(candidates(profile))


def routes(profiles: Iterable[Profile]) -> dict[UUID, Connector]:
    """Return profile id → where its new orders go, for the rows of one page."""
    pools: dict[UUID, list[Connector]] = {}
    rows = PoolMember.objects.filter(pool__in={p.pool_id for p in profiles}, draining=False, connector__deleted_at=None)
    for member in rows.select_related("connector").order_by("preference"):
        pools.setdefault(member.pool_id, []).append(member.connector)
    found = {p.pk: _preferred(pools.get(p.pool_id, [])) for p in profiles}
    return {ident: connector for ident, connector in found.items() if connector is not None}


def _preferred(found: list[Connector]) -> Connector | None:
    return next((c for c in found if c.usable), found[0] if found else None)
