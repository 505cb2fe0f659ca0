"""Who somebody is, and which teams and environments there are."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db.models import Prefetch, QuerySet

from chancery.apps.accounts.models import ApiToken, Environment, Grant, Team, User
from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared import actor as actors
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Page, paginate
from chancery.apps.shared.returning import read
from chancery.core.errors import Absent, Invalid, NotPermitted

_WHOSE = """
SELECT token.name, token.user_id, person.username, given.role, given.team_id, given.environment_id
FROM accounts_apitoken token
JOIN accounts_user person ON person.id = token.user_id AND person.is_active
LEFT JOIN accounts_grant given ON given.user_id = person.id
WHERE token.digest = %s AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > %s)
ORDER BY given.id
"""
_DIGITS = 18
"""A longer number is no id: no table has room for it."""


def actor_of(user: User, *, how: str, address: str = "", via: str = "console") -> Actor:
    """Return the actor for a person, with the grants as they stand at this moment."""
    grants = Grant.objects.filter(user=user).order_by("pk").values_list("role", "team_id", "environment_id")
    return Actor(
        name=user.username,
        user=user.pk,
        how=how,
        address=address,
        via=via,
        grants=tuple(actors.Grant(role, team, environment) for role, team, environment in grants),
    )


def actor_of_token(text: str, address: str = "", via: str = "api") -> Actor | None:
    """Return the actor whose API token this is, or None where it is unknown, expired or revoked."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    rows = read(_WHOSE, [digest, current_clock().now()])
    if not rows:
        return None
    token, user, username = rows[0][:3]
    grants = tuple(actors.Grant(role, team, env) for *_, role, team, env in rows if role)
    return Actor(name=username, user=user, how=f"token:{token}", address=address, via=via, grants=grants)


def users(actor: Actor) -> QuerySet[User]:
    """Return everybody, for those who may see people."""
    if not actor.may(Permission.PEOPLE_VIEW):
        raise NotPermitted(Permission.PEOPLE_VIEW)
    return User.objects.order_by("username")


def people(actor: Actor, *, search: str = "", cursor: str = "", size: int = 50) -> Page[User]:
    """Return one page of people by login name, for those who may see people."""
    granted = Grant.objects.select_related("team", "environment").order_by("pk")
    rows = users(actor).prefetch_related(Prefetch("grants", granted))
    span = starting(search.lower()) if search else EVERYTHING
    return paginate(rows, order="username", cursor=cursor, size=size, span=span)


def person(actor: Actor, ident: int) -> User:
    """Return one person, or raise `Absent`."""
    found = users(actor).filter(pk=ident).first()
    if found is None:
        raise Absent("user", ident)
    return found


def own(actor: Actor) -> User:
    """Return the person that an actor is; raises `Absent` where it is none."""
    found = User.objects.filter(pk=actor.user or 0).first()
    if found is None:
        raise Absent("user", actor.user)
    return found


def grants(actor: Actor) -> QuerySet[Grant]:
    """Return the actor's own grants with their teams and environments, by role."""
    return Grant.objects.filter(user_id=actor.user or 0).select_related("team", "environment").order_by("role", "pk")


def tokens(actor: Actor) -> QuerySet[ApiToken]:
    """Return the actor's own API tokens, newest first."""
    return ApiToken.objects.filter(user_id=actor.user or 0).order_by("-created_at")


def team(value: object) -> Team:
    """Return a team by id or name; raise `Invalid` on field *team*."""
    found: Team = _pick(Team.objects.all(), value, "team")
    return found


def environment(value: object) -> Environment:
    """Return an environment by id or name; raise `Invalid` on field *environment*."""
    found: Environment = _pick(Environment.objects.all(), value, "environment")
    return found


def _pick(rows: QuerySet[Any], value: object, field: str) -> Any:
    text = str(value or "").strip()
    found = rows.filter(pk=int(text)).first() if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
    found = found or rows.filter(name=text).first()
    if found is None:
        known = ", ".join(rows.order_by("name").values_list("name", flat=True)[:10])
        remedy = f"Choose one of: {known}."
        if not text:
            raise Invalid.one(field, "This is missing.", remedy, "missing")
        raise Invalid.one(field, f"There is no {field} {text[:60]!r}.", remedy)
    return found
