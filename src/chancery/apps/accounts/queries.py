"""Who somebody is, and which teams and environments there are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet

from chancery.apps.accounts.models import ApiToken, Environment, Grant, Role, Session, Team, User
from chancery.apps.accounts.permissions import ROLES, Permission
from chancery.apps.accounts.tokens import open_to
from chancery.apps.shared import actor as actors
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Page, paginate
from chancery.apps.shared.returning import read
from chancery.core.errors import Absent, Invalid, NotPermitted

_GRANTED = """
SELECT given.role, given.team_id, given.environment_id, role.permissions, role.needs_factor
FROM accounts_grant given LEFT JOIN accounts_role role ON role.name = given.role
WHERE given.user_id = %s ORDER BY given.id
"""
_WHOSE = """
SELECT token.name, token.user_id, person.username, token.permissions, token.team_id, token.environment_id, token.networks,
       token.strong, given.role, given.team_id, given.environment_id, role.permissions, role.needs_factor
FROM accounts_apitoken token
JOIN accounts_user person ON person.id = token.user_id AND person.is_active
LEFT JOIN accounts_grant given ON given.user_id = person.id
LEFT JOIN accounts_role role ON role.name = given.role
WHERE token.digest = %s AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > %s)
ORDER BY given.id
"""
NEWEST = 200
"""Sessions that are listed of a person; all can be ended at once."""
_DIGITS = 18
"""A longer number is no id: no table has room for it."""


def actor_of(user: User, *, how: str, address: str = "", via: str = "console", strong: bool = False) -> Actor:
    """Return the actor for a person, with the grants as they stand at this moment; `strong` after a second factor."""
    rows = read(_GRANTED, [user.pk])
    return Actor(
        name=user.username,
        user=user.pk,
        how=how,
        address=address,
        via=via,
        grants=tuple(_granted(*row[:4]) for row in rows),
        needs_factor=any(row[4] for row in rows),
        strong=strong,
    )


def able(people: Iterable[User], permission: Permission, team: int | None, environment: int | None) -> int:
    """Return how many of some people are let in and have a permission there now, whatever they had before."""
    still = (actor_of(user, how="look") for user in people if user.is_active)
    return sum(actor.may(permission, team, environment) for actor in still)


def actor_of_token(text: str, address: str = "", via: str = "api") -> Actor | None:
    """Return the actor whose API token this is, or None where it is unknown, expired, revoked or bound elsewhere.

    One that was made without a second factor gives nothing, and says so (`needs_factor`), as soon as a role of its person
    asks for one: otherwise whoever has made a token with a stolen password would keep what its owner can no longer do.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    rows = read(_WHOSE, [digest, current_clock().now()])
    if not rows:
        return None
    token, user, username, allowed, team, environment, networks, strong = rows[0][:8]
    allowed, networks = _loaded(allowed), _loaded(networks)
    if networks and not open_to(networks, address):
        return None
    who: dict[str, Any] = {
        "name": username,
        "user": user,
        "how": f"token:{token}",
        "address": address,
        "via": via,
        "strong": bool(strong),
        "bound": tuple(networks or ()),
    }
    if not strong and any(row[12] for row in rows):
        return Actor(**who, limited=True, needs_factor=True)
    grants = tuple(_granted(*row[8:12]) for row in rows if row[8])
    limited = allowed is not None or team is not None or environment is not None
    if limited:
        within = (None if allowed is None else frozenset(allowed), team, environment)
        grants = tuple(g for g in (grant.within(*within) for grant in grants) if g is not None)
    return Actor(**who, grants=grants, limited=limited)


def _granted(role: str, team: int | None, environment: int | None, permissions: Any) -> actors.Grant:
    """Return a grant: what a built-in role gives is known to the code, what another gives stands in its row."""
    own = None if role in ROLES else frozenset(_loaded(permissions) or ())
    return actors.Grant(role, team, environment, own)


def _loaded(value: Any) -> Any:
    """Return a JSON column as it was written; what reads it without the ORM may get it as text."""
    return json.loads(value) if isinstance(value, str) else value


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


def tokens(actor: Actor, *, cursor: str = "", size: int = 50) -> Page[ApiToken]:
    """Return one page of the actor's own API tokens, newest first, those that ended long ago too."""
    return _tokens(actor.user or 0, cursor, size)


def tokens_of(actor: Actor, ident: int, *, cursor: str = "", size: int = 50) -> Page[ApiToken]:
    """Return one page of the API tokens of a person, newest first, for those who may see people."""
    return _tokens(person(actor, ident).pk, cursor, size)


def token_of(actor: Actor, ident: int, token: int) -> ApiToken:
    """Return one API token of a person, or raise `Absent`."""
    found = ApiToken.objects.filter(user=person(actor, ident), pk=token).first()
    if found is None:
        raise Absent("token", token)
    return found


def _tokens(user: int, cursor: str, size: int) -> Page[ApiToken]:
    rows = ApiToken.objects.filter(user_id=user).select_related("team", "environment")
    return paginate(rows, order="-id", cursor=cursor, size=size)


def sessions(actor: Actor, ident: int | None = None) -> QuerySet[Session]:
    """Return one's own open sessions, newest first, or those of a person for those who may see people; `NEWEST` at most."""
    user = actor.user or 0 if ident is None else person(actor, ident).pk
    rows = Session.objects.filter(user_id=user, expire_date__gt=current_clock().now())
    return rows.order_by("-started_at")[:NEWEST]


@dataclass(frozen=True)
class RoleShown:
    """A role as people read it: `builtin` ones cannot be changed but for `needs_factor`."""

    name: str
    permissions: list[str]
    description: str
    builtin: bool
    needs_factor: bool


@dataclass(frozen=True)
class Held:
    """Who has a role: how many people, whether somebody has it everywhere, and in how many teams and environments others do."""

    people: int = 0
    everywhere: bool = False
    teams: int = 0
    environments: int = 0


def held(actor: Actor) -> dict[str, Held] | None:
    """Return role → who has it, without the roles that nobody has; None for those who may not see people."""
    if not actor.may(Permission.PEOPLE_VIEW):
        return None
    rows = (
        Grant.objects.order_by()
        .values("role")
        .annotate(
            people=Count("user", distinct=True),
            everywhere=Count("pk", filter=Q(team=None, environment=None)),
            teams=Count("team", distinct=True),
            environments=Count("environment", distinct=True, filter=Q(team=None)),
        )
    )
    return {row["role"]: Held(row["people"], row["everywhere"] > 0, row["teams"], row["environments"]) for row in rows}


def roles() -> list[RoleShown]:
    """Return every role, the built-in ones first."""
    rows = {row.name: row for row in Role.objects.order_by("name")}
    needs = {name for name, row in rows.items() if row.needs_factor}
    builtin = [RoleShown(name, sorted(map(str, may)), "", True, name in needs) for name, may in ROLES.items()]
    own = [r for name, r in rows.items() if name not in ROLES]
    return [*builtin, *(RoleShown(r.name, r.permissions, r.description, False, r.needs_factor) for r in own)]


def teams(*, search: str = "", cursor: str = "", size: int = 50) -> Page[Team]:
    """Return one page of teams by name."""
    span = starting(search) if search else EVERYTHING
    return paginate(Team.objects.all(), order="name", cursor=cursor, size=size, span=span)


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
