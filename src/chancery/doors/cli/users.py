"""Commands about people that run on the host: the way back in where nobody can log in to give it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import typer

from chancery.doors.cli import ready
from chancery.doors.cli.output import Json, say, show, stop

if TYPE_CHECKING:
    from chancery.apps.accounts.models import User
    from chancery.apps.shared.actor import Actor

users = typer.Typer(no_args_is_help=True, help="People, on the host itself: for whoever cannot log in.")


@users.command("list")
def users_list(as_json: Json = False) -> None:
    """List people with their roles."""
    actor = _actor()
    from chancery.apps.accounts import queries

    people = [_shown(user) for user in queries.users(actor).prefetch_related("grants")]
    show(people, ("username", "full_name", "active", "roles"), {"items": people}, as_json)


@users.command("reset-password")
def users_reset_password(username: str, as_json: Json = False) -> None:
    """Give a person a new one-time password and print it; their sessions end."""
    actor, password = _actor(), secrets.token_urlsafe(15)
    from chancery.apps.accounts import actions

    user = actions.set_password(actor, _user(username).pk, password)
    _tell(f"{user.username} has a new one-time password:", user, password, as_json=as_json)


@users.command("enable")
def users_enable(username: str, as_json: Json = False) -> None:
    """Let a person in again who was kept out, with the roles they had and a new one-time password."""
    actor, password = _actor(), secrets.token_urlsafe(15)
    from chancery.apps.accounts import actions

    user = actions.enable_user(actor, _user(username).pk, password)
    _tell(f"{user.username} may log in again, with the one-time password", user, password, as_json=as_json)


@users.command("unlock")
def users_unlock(username: str, as_json: Json = False) -> None:
    """Forget the wrong tries at a person's log-in, so that the next one is looked at."""
    actor = _actor()
    from chancery.apps.accounts import actions

    user = actions.unlock(actor, _user(username).pk)
    say(f"{user.username} may try again.", _shown(user), as_json)


@users.command("remove-factors")
def users_remove_factors(username: str, as_json: Json = False) -> None:
    """Remove every second factor of somebody who has lost them; their password alone lets them in again."""
    actor = _actor()
    from chancery.apps.accounts import factors

    user = factors.remove_all(actor, _user(username).pk)
    say(f"{user.username} has no second factor now.", _shown(user), as_json)


@users.command("no-approvals")
def users_no_approvals(as_json: Json = False) -> None:
    """Let changes to connectors go without approval: for when too few people are left to approve anything."""
    actor = _actor()
    from chancery.apps.changes import actions, queries

    for row in queries.rules(actor):
        for kind, number in row["needed"].items():
            if number:
                actions.set_rule(actor, row["environment"], kind, 0)
    say("No change needs an approval now.", {"items": queries.rules(actor)}, as_json)


def _actor() -> Actor:
    ready.begin()
    from chancery.apps.shared.actor import host_actor

    return host_actor(ready.operator())


def _user(username: str) -> User:
    from chancery.apps.accounts.models import User

    try:
        return User.objects.get_by_natural_key(username)
    except User.DoesNotExist:
        stop(f"There is nobody with the login name {username!r}.", "`chancery users list` shows who there is.")


def _shown(user: User) -> dict[str, object]:
    roles = sorted({grant.role for grant in user.grants.all()})
    return {"username": user.username, "full_name": user.full_name, "active": user.is_active, "roles": roles}


def _tell(text: str, user: User, password: str, *, as_json: bool) -> None:
    say(f"{text} {password}", {**_shown(user), "one_time_password": password}, as_json)
