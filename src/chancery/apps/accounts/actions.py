"""Changes to people; those to roles, tokens, sessions, factors and places stand in modules of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import Manager

from chancery.apps.accounts import zones
from chancery.apps.accounts.models import ApiToken, Environment, Grant, LoginTry, Role, Session, Team, User
from chancery.apps.accounts.permissions import ROLES, Permission
from chancery.apps.accounts.places import create_environment, create_team
from chancery.apps.accounts.tokens import create_token, end_token, revoke_token
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.texts import clean, unfit
from chancery.apps.shared.unique import name_taken
from chancery.core.errors import Absent, Conflict, Invalid

__all__ = [
    "RoleGrant",
    "change_own_account",
    "change_own_password",
    "create_environment",
    "create_team",
    "create_token",
    "create_user",
    "disable_user",
    "enable_user",
    "end_token",
    "revoke_token",
    "set_grants",
    "set_password",
    "unlock",
]
RoleGrant = tuple[str, int | None, int | None]
_MAX_PASSWORD = 1000


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
    name = _login_name(username)
    user = User(
        username=name,
        full_name=clean("full_name", full_name, 200),
        must_change_password=must_change_password,
        created_at=act.at,
    )
    _set(user, password)
    with name_taken(f"There is already a user {name!r}.", "Choose another login name.", field="username"):
        user.save()
    _replace_grants(user, grants)
    act.note("user", user.pk, name, changed=("grants",), detail={"roles": sorted({g[0] for g in grants})})
    return user


@action("people.grant", Permission.PEOPLE_MANAGE)
def set_grants(act: Act, user_id: int, grants: Sequence[RoleGrant]) -> User:
    """Replace a person's roles; the last administrator of everything keeps that role."""
    user = _not_kept_out(user_id)
    keeps = any(g == ("administrator", None, None) for g in grants)
    _guard_last_administrator(user, keeps=keeps)
    _replace_grants(user, grants)
    act.note("user", user.pk, user.username, changed=("grants",), detail={"roles": sorted({g[0] for g in grants})})
    return user


@action("people.password", Permission.PEOPLE_MANAGE)
def set_password(act: Act, user_id: int, password: str) -> User:
    """Give a person a new one-time password; it ends their sessions."""
    user = _not_kept_out(user_id)
    _set(user, password)
    user.must_change_password = True
    user.save()
    act.note("user", user.pk, user.username, changed=("password",))
    return user


@action("people.disable", Permission.PEOPLE_MANAGE)
def disable_user(act: Act, user_id: int) -> User:
    """Keep a person out and end their tokens; their entries in the record stay, and their roles for a return."""
    user = _user(user_id)
    _guard_last_administrator(user, keeps=False)
    user.is_active = False
    user.save()
    _end_tokens(act, user)
    Session.objects.filter(user=user).delete()
    act.note("user", user.pk, user.username, changed=("is_active",))
    return user


@action("people.enable", Permission.PEOPLE_MANAGE)
def enable_user(act: Act, user_id: int, password: str) -> User:
    """Let a person in again who was kept out, with the roles they had and a new one-time password.

    The old password, its sessions and the tokens stay dead: whoever has had them meanwhile does not come back too.
    """
    user = _user(user_id)
    if user.is_active:
        raise Conflict(f"{user.username} is not kept out.", remedy="There is nothing left to do.", code="enabled")
    _set(user, password)
    user.is_active = user.must_change_password = True
    user.save()
    _end_tokens(act, user)
    act.note("user", user.pk, user.username, changed=("is_active", "password"))
    return user


@action("people.unlock", Permission.PEOPLE_MANAGE)
def unlock(act: Act, user_id: int) -> User:
    """Forget the wrong tries at a person's log-in, so that the next one is looked at."""
    user = _user(user_id)
    tries = LoginTry.objects.filter(name=user.username).delete()[0]
    act.note("user", user.pk, user.username, changed=("tries",) if tries else ())
    return user


def _user(user_id: int) -> User:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Absent("user", user_id)
    return user


def _not_kept_out(user_id: int) -> User:
    user = _user(user_id)
    if not user.is_active:
        raise Conflict(
            f"{user.username} is kept out, so this would change nothing for them.",
            remedy="Let them in again first (people enable); that gives a new one-time password too.",
            code="disabled",
        )
    return user


def _end_tokens(act: Act, user: User) -> None:
    ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=act.at)


def _login_name(text: str) -> str:
    name = clean("username", text, 150, wanted="Choose a login name.").lower()
    if not re.sub("[-._@]", "", name).isalnum():
        raise Invalid.one("username", "A login name has letters, digits and . - _ @ only.", "Choose another.")
    return name


def _set(user: User, password: str) -> None:
    if len(password) > _MAX_PASSWORD or unfit({"password": password}):
        problem = f"It is longer than {_MAX_PASSWORD} characters or holds control characters."
        raise Invalid.one("password", problem, "Choose one that can be typed.")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid.one("password", " ".join(error.messages), "Choose a longer, less common password.") from None
    user.set_password(password)


def _replace_grants(user: User, grants: Sequence[RoleGrant]) -> None:
    # Locked, so that no role is removed while it is given.
    own = Role.objects.select_for_update().exclude(name__in=ROLES)
    known = [*ROLES, *own.order_by("name").values_list("name", flat=True)]
    unknown = sorted({g[0] for g in grants} - set(known))
    if unknown:
        raise Invalid.one("grants", f"There is no role {unknown[0]!r}.", f"Roles are: {', '.join(known)}.")
    _known("team", Team.objects, [g[1] for g in grants])
    _known("environment", Environment.objects, [g[2] for g in grants])
    Grant.objects.filter(user=user).delete()
    Grant.objects.bulk_create(
        Grant(user=user, role=role, team_id=team, environment_id=environment)
        for role, team, environment in dict.fromkeys(grants)
    )


def _known(kind: str, rows: Manager[Any], idents: Sequence[object]) -> None:
    given = [i for i in idents if i is not None]
    known = set(rows.values_list("pk", flat=True)) if given else set()
    unknown = next((i for i in given if not isinstance(i, int) or i not in known), None)
    if unknown is not None:
        message = f"There is no {kind} with the id {str(unknown)[:40]}."
        raise Invalid.one("grants", message, "Choose one from the list, or none for all of them.")


def _guard_last_administrator(user: User, *, keeps: bool) -> None:
    if keeps:
        return
    everything = Grant.objects.filter(role="administrator", team=None, environment=None, user__is_active=True)
    # Locked, so that of two administrators who remove each other at the same moment one is refused.
    left = set(everything.select_for_update().values_list("user_id", flat=True))
    if left == {user.pk}:
        raise Conflict(
            f"{user.username} is the last administrator.",
            remedy="Make somebody else an administrator first.",
            code="last_administrator",
        )


@action("people.own_password", Permission.PASSWORD_OWN)
def change_own_password(act: Act, password: str) -> User:
    """Change the actor's own password; the door has checked the present one."""
    user = _user(act.actor.user or 0)
    _set(user, password)
    user.must_change_password = False
    user.save()
    act.note("user", user.pk, user.username, changed=("password",))
    return user


@action("people.own_account", Permission.ACCOUNT_OWN)
def change_own_account(act: Act, *, full_name: str, time_zone: str) -> User:
    """Change the actor's own name, and the time zone in which the console shows times to them (empty: the server's).

    Raises `Invalid` on *full_name* or *time_zone*; `Absent` for an actor who is no person.
    """
    user = _user(act.actor.user or 0)
    fresh = {
        "full_name": clean("full_name", full_name, 200),
        "time_zone": zones.known(clean("time_zone", time_zone, 64)),
    }
    changed = tuple(name for name, value in fresh.items() if getattr(user, name) != value)
    user.full_name, user.time_zone = fresh["full_name"], fresh["time_zone"]
    user.save(update_fields=["full_name", "time_zone"])
    act.note("user", user.pk, user.username, changed=changed)
    return user
