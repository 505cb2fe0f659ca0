"""Changes to people, teams, environments and API tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from chancery.apps.accounts.models import ApiToken, Environment, Grant, Team, User
from chancery.apps.accounts.permissions import ROLES, Permission
from chancery.apps.shared.action import Act, action
from chancery.core.errors import Absent, Conflict, Invalid

RoleGrant = tuple[str, int | None, int | None]
TOKEN_PREFIX = "chy_"  # noqa: S105  the recognisable start, not a credential
_MAX_TOKEN_DAYS = 730


@action("people.create", Permission.PEOPLE_MANAGE)
def create_user(
    act: Act,
    username: str,
    password: str,
    *,
    full_name: str = "",
    grants: Sequence[RoleGrant] = (),
    must_change_password: bool = False,
) -> User:
    """Add a person with a first password and some roles."""
    name = username.strip().lower()
    if (
        not name
        or len(name) > 150
        or not name.replace(".", "").replace("-", "").replace("_", "").replace("@", "").isalnum()
    ):
        raise Invalid.one("username", "A login name has letters, digits and . - _ @ only.", "Choose another.")
    if User.objects.filter(username=name).exists():
        raise Invalid.one("username", f"There is already a user {name!r}.", "Choose another login name.")
    user = User(username=name, full_name=full_name, must_change_password=must_change_password, created_at=act.at)
    _set(user, password)
    user.save()
    _replace_grants(user, grants)
    act.note("user", user.pk, name, changed=("grants",), detail={"roles": sorted({g[0] for g in grants})})
    return user


@action("people.grant", Permission.PEOPLE_MANAGE)
def set_grants(act: Act, user_id: int, grants: Sequence[RoleGrant]) -> User:
    """Replace a person's roles; the last administrator of everything keeps that role."""
    user = _user(user_id)
    keeps = any(g == ("administrator", None, None) for g in grants)
    _guard_last_administrator(user, keeps=keeps)
    _replace_grants(user, grants)
    act.note("user", user.pk, user.username, changed=("grants",), detail={"roles": sorted({g[0] for g in grants})})
    return user


@action("people.password", Permission.PEOPLE_MANAGE)
def set_password(act: Act, user_id: int, password: str) -> User:
    """Give a person a new one-time password."""
    user = _user(user_id)
    _set(user, password)
    user.must_change_password = True
    user.save()
    act.note("user", user.pk, user.username, changed=("password",))
    return user


@action("people.disable", Permission.PEOPLE_MANAGE)
def disable_user(act: Act, user_id: int) -> User:
    """Keep a person out; their entries in the record stay."""
    user = _user(user_id)
    _guard_last_administrator(user, keeps=False)
    user.is_active = False
    user.save()
    act.note("user", user.pk, user.username, changed=("is_active",))
    return user


@action("teams.create", Permission.PEOPLE_MANAGE)
def create_team(act: Act, name: str) -> Team:
    """Add a team."""
    clean = _fresh_name(name, Team.objects.filter(name=name.strip()).exists())
    team = Team.objects.create(name=clean)
    act.note("team", team.pk, clean)
    return team


@action("environments.create", Permission.PEOPLE_MANAGE)
def create_environment(act: Act, name: str, *, is_production: bool = False) -> Environment:
    """Add an environment."""
    clean = _fresh_name(name, Environment.objects.filter(name=name.strip()).exists())
    environment = Environment.objects.create(name=clean, is_production=is_production)
    act.note("environment", environment.pk, clean)
    return environment


@action("tokens.create", Permission.TOKEN_CREATE)
def create_token(act: Act, name: str, days: int | None = 90) -> tuple[ApiToken, str]:
    """Make an API token for the actor; the text is returned once and kept nowhere."""
    if act.actor.user is None:
        raise Invalid.one("user", "A token belongs to a person.", "Log in as the person who needs it.")
    if not name.strip():
        raise Invalid.one("name", "A token needs a name.", "Name what will use it.")
    if days is not None and not 1 <= days <= _MAX_TOKEN_DAYS:
        raise Invalid.one("days", f"A token lives 1 to {_MAX_TOKEN_DAYS} days.", "Choose fewer days.")
    text = TOKEN_PREFIX + secrets.token_urlsafe(30)
    token = ApiToken.objects.create(
        user_id=act.actor.user,
        name=name.strip()[:100],
        digest=hashlib.sha256(text.encode()).hexdigest(),
        hint=text[-4:],
        created_at=act.at,
        expires_at=act.at + timedelta(days=days) if days else None,
    )
    act.note("token", token.pk, token.name)
    return token, text


@action("tokens.revoke", Permission.TOKEN_REVOKE)
def revoke_token(act: Act, token_id: int) -> ApiToken:
    """End one of the actor's own tokens, at once."""
    token = ApiToken.objects.filter(pk=token_id, user_id=act.actor.user or 0).first()
    if token is None:
        raise Absent("token", token_id)
    token.revoked_at = act.at
    token.save()
    act.note("token", token.pk, token.name, changed=("revoked_at",))
    return token


def _user(user_id: int) -> User:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Absent("user", user_id)
    return user


def _set(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid.one("password", " ".join(error.messages), "Choose a longer, less common password.") from None
    user.set_password(password)


def _replace_grants(user: User, grants: Sequence[RoleGrant]) -> None:
    unknown = sorted({g[0] for g in grants} - set(ROLES))
    if unknown:
        raise Invalid.one("grants", f"There is no role {unknown[0]!r}.", f"Roles are: {', '.join(ROLES)}.")
    Grant.objects.filter(user=user).delete()
    Grant.objects.bulk_create(
        Grant(user=user, role=role, team_id=team, environment_id=environment)
        for role, team, environment in dict.fromkeys(grants)
    )


def _guard_last_administrator(user: User, *, keeps: bool) -> None:
    everything = Grant.objects.filter(role="administrator", team=None, environment=None, user__is_active=True)
    if keeps or not everything.filter(user=user).exists() or everything.exclude(user=user).exists():
        return
    raise Conflict(
        f"{user.username} is the last administrator.",
        remedy="Make somebody else an administrator first.",
        code="last_administrator",
    )


def _fresh_name(name: str, taken: bool) -> str:  # noqa: FBT001  one private caller each
    clean = name.strip()[:60]
    if not clean or taken:
        raise Invalid.one("name", "The name is empty or taken.", "Choose another name.")
    return clean


@action("people.own_password", Permission.TOKEN_CREATE)
def change_own_password(act: Act, password: str) -> User:
    """Change the actor's own password; the door has checked the present one."""
    user = _user(act.actor.user or 0)
    _set(user, password)
    user.must_change_password = False
    user.save()
    act.note("user", user.pk, user.username, changed=("password",))
    return user
