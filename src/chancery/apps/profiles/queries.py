"""Reading profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors.models import Connector, Status
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.paging import Page, by_id, paginate, prefix
from chancery.apps.shared.scope import scope, visible
from chancery.apps.shared.texts import unfit
from chancery.core.errors import Absent

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor


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
    found = by_id(rows, ident) or (None if unfit({"profile": text}) else rows.filter(name=text).first())
    if found is None:
        raise Absent("profile", ident)
    return found


def listing(actor: Actor, *, search: str = "", cursor: str = "", size: int = 50) -> Page[Profile]:
    """Return one page of profiles by name."""
    rows = _known()
    if search:
        rows = rows.filter(prefix("name", search))
    return paginate(rows, order="name", cursor=cursor, size=size, scope=scope(actor, Permission.PROFILE_VIEW))


def usable(actor: Actor) -> list[Profile]:
    """Return the profiles that the actor may order with, by name."""
    rows = visible_to(actor).order_by("name")
    return [p for p in rows if actor.may(Permission.ORDER_PLACE, p.team_id, p.environment_id)]


def members(profile: Profile) -> list[Connector]:
    """Return the connectors of a profile's pool, preferred ones first."""
    rows = Connector.objects.filter(memberships__pool=profile.pool_id, deleted_at=None)
    return list(rows.select_related("current").order_by("memberships__preference"))


def route(profile: Profile) -> Connector | None:
    """Return where a new order goes: the preferred active connector, else the preferred one (it waits there)."""
    found = members(profile)
    return next((c for c in found if c.status == Status.ACTIVE), found[0] if found else None)
