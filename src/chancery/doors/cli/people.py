"""Commands about people, teams and environments."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.output import Exit, Json, say, show, stop
from chancery.doors.cli.rest import Rest

people = typer.Typer(no_args_is_help=True, help="Who may do what.")
teams = typer.Typer(no_args_is_help=True, help="Who owns connectors, profiles and orders.")
environments = typer.Typer(no_args_is_help=True, help="Production, QA, Development, …")
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="ROLE, ROLE@TEAM, ROLE@TEAM/ENVIRONMENT or ROLE@/ENVIRONMENT (repeatable)."),
]
EndAll = Annotated[bool, typer.Option("--end", help="End them all.")]
EndToken = Annotated[int, typer.Option("--end", help="Number of the token to end.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File with the one-time password; without, one is made and printed.")
]


def whoami(as_json: Json = False) -> None:
    """Say as whom the API token acts, and what it may do."""
    me = Rest().call("GET", "/me")
    show([{"field": k, "value": v} for k, v in me.items() if k != "grants"], ("field", "value"), me, as_json)


@people.command("list")
def people_list(
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 200, as_json: Json = False
) -> None:
    """List people with their roles."""
    rest = Rest()
    whole = rest.listing("/users", limit)
    names = {} if as_json else _names(rest)
    rows = [{**u, "active": u["is_active"], "roles": [_shown(g, names) for g in u["grants"]]} for u in whole["items"]]
    show(rows, ("username", "full_name", "active", "roles"), whole, as_json)


@people.command("add")
def people_add(
    username: str,
    role: Roles = None,
    full_name: str = "",
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """Add a person; the one-time password must be changed at the first login."""
    rest, password = Rest(), _password(password_file)
    body = {"username": username, "full_name": full_name, "password": password, "grants": _grants(rest, role)}
    made = rest.call("POST", "/users", body)
    _tell(f"Added {made['username']}.", made, password_file, password, as_json=as_json)


@people.command("grant")
def people_grant(username: str, role: Roles = None, as_json: Json = False) -> None:
    """Replace a person's roles by those given; without any, the person has none left."""
    rest = Rest()
    grants = _grants(rest, role)
    done = rest.call("PUT", f"/users/{rest.find('users', username)['id']}/grants", {"grants": grants})
    number = len(done["grants"])
    say(f"{done['username']} has {number or 'no'} {'role' if number == 1 else 'roles'}.", done, as_json)


@people.command("disable")
def people_disable(username: str, as_json: Json = False) -> None:
    """Keep a person out, at once and with all their tokens."""
    rest = Rest()
    done = rest.call("POST", f"/users/{rest.find('users', username)['id']}/disable")
    say(f"{done['username']} is kept out.", done, as_json)


@people.command("enable")
def people_enable(username: str, password_file: PasswordFile = None, as_json: Json = False) -> None:
    """Let a person in again, with the roles they had and a new one-time password; their old tokens stay dead."""
    rest, password = Rest(), _password(password_file)
    done = rest.call("POST", f"/users/{rest.find('users', username)['id']}/enable", {"password": password})
    _tell(f"{done['username']} may log in again.", done, password_file, password, as_json=as_json)


@people.command("reset-password")
def people_reset_password(username: str, password_file: PasswordFile = None, as_json: Json = False) -> None:
    """Give a person a new one-time password."""
    rest, password = Rest(), _password(password_file)
    done = rest.call("POST", f"/users/{rest.find('users', username)['id']}/password", {"password": password})
    _tell(f"{done['username']} has a new one-time password.", done, password_file, password, as_json=as_json)


@people.command("sessions")
def people_sessions(username: str, end: EndAll = False, as_json: Json = False) -> None:
    """List the open sessions of a person, or end them all."""
    rest = Rest()
    path = f"/users/{rest.find('users', username)['id']}/sessions"
    if end:
        rest.call("DELETE", path)
        say(f"Every session of {username} is ended.", {"username": username, "ended": True}, as_json)
        return
    whole = rest.call("GET", path)
    show(whole["items"], ("id", "started_at", "address", "how", "agent"), whole, as_json)


@people.command("tokens")
def people_tokens(username: str, end: EndToken = 0, as_json: Json = False) -> None:
    """List the API tokens of a person, or end one."""
    rest = Rest()
    path = f"/users/{rest.find('users', username)['id']}/tokens"
    if end:
        rest.call("DELETE", f"{path}/{end}")
        say(f"Token {end} is ended.", {"id": end, "revoked": True}, as_json)
        return
    whole = rest.listing(path, 0)
    show(whole["items"], ("id", "name", "hint", "created_at", "expires_at", "revoked_at"), whole, as_json)


@people.command("remove-factors")
def people_remove_factors(username: str, as_json: Json = False) -> None:
    """Remove every second factor of somebody who has lost them."""
    rest = Rest()
    rest.call("DELETE", f"/users/{rest.find('users', username)['id']}/factors")
    say(f"{username} has no second factor now.", {"username": username, "factors": []}, as_json)


@people.command("unlock")
def people_unlock(username: str, as_json: Json = False) -> None:
    """Forget the wrong tries at a person's log-in."""
    rest = Rest()
    done = rest.call("POST", f"/users/{rest.find('users', username)['id']}/unlock")
    say(f"The wrong tries of {username} are forgotten.", done, as_json)


def _password(file: Path | None) -> str:
    return secrets.token_urlsafe(15) if file is None else files.secret(file, "--password-file")


def _tell(text: str, user: dict[str, Any], file: Path | None, password: str, *, as_json: bool) -> None:
    # Only what was made here is printed: whoever wrote a file knows what stands in it.
    told = {"one_time_password": password} if file is None else {}
    say(f"{text} The one-time password is {password}" if told else text, {**user, **told}, as_json)


def _names(rest: Rest) -> dict[tuple[str, int], str]:
    kinds = ("teams", "environments")
    return {(kind, i["id"]): i["name"] for kind in kinds for i in rest.call("GET", f"/{kind}")["items"]}


def _shown(grant: dict[str, Any], names: dict[tuple[str, int], str]) -> str:
    team = names.get(("teams", grant["team"]), "")
    environment = names.get(("environments", grant["environment"]), "")
    place = f"{team}/{environment}" if environment else team
    return f"{grant['role']}@{place}" if place else str(grant["role"])


def _grants(rest: Rest, given: list[str] | None) -> list[dict[str, Any]]:
    ids = {(kind, name): ident for (kind, ident), name in _names(rest).items()} if given else {}
    return [_grant(text, ids) for text in given or []]


def _grant(text: str, ids: dict[tuple[str, str], int]) -> dict[str, Any]:
    role, _, place = text.partition("@")
    team, _, environment = place.partition("/")
    found: dict[str, Any] = {"role": role, "team": None, "environment": None}
    for kind, name in (("teams", team), ("environments", environment)):
        if name and (kind, name) not in ids:
            known = ", ".join(sorted(n for k, n in ids if k == kind))
            stop(f"--role {text}: there is no {kind[:-1]} {name!r}.", f"Choose one of: {known}.", Exit.USAGE)
        if name:
            found[kind[:-1]] = ids[kind, name]
    return found


@teams.command("list")
def teams_list(as_json: Json = False) -> None:
    """List teams."""
    whole = Rest().call("GET", "/teams")
    show(whole["items"], ("id", "name"), whole, as_json)


@teams.command("add")
def teams_add(name: str, as_json: Json = False) -> None:
    """Add a team."""
    made = Rest().call("POST", "/teams", {"name": name})
    say(f"Added {made['name']}.", made, as_json)


@teams.command("rename")
def teams_rename(name: str, new_name: str, as_json: Json = False) -> None:
    """Give a team another name; all that belongs to it still does."""
    rest = Rest()
    done = rest.call("PATCH", f"/teams/{rest.find('teams', name)['id']}", {"name": new_name})
    say(f"{name} is {done['name']} now.", done, as_json)


@teams.command("delete")
def teams_delete(name: str, as_json: Json = False) -> None:
    """Remove a team that nothing belongs to and nobody has a role in."""
    rest = Rest()
    found = rest.find("teams", name)
    rest.call("DELETE", f"/teams/{found['id']}")
    say(f"{found['name']} is deleted.", {**found, "deleted": True}, as_json)


@environments.command("list")
def environments_list(as_json: Json = False) -> None:
    """List environments."""
    whole = Rest().call("GET", "/environments")
    show(whole["items"], ("id", "name", "is_production"), whole, as_json)


@environments.command("add")
def environments_add(name: str, *, production: bool = False, as_json: Json = False) -> None:
    """Add an environment."""
    made = Rest().call("POST", "/environments", {"name": name, "is_production": production})
    say(f"Added {made['name']}.", made, as_json)


@environments.command("edit")
def environments_edit(
    name: str,
    new_name: Annotated[str, typer.Option(help="Another name for it.")] = "",
    production: Annotated[bool | None, typer.Option(help="Whether it is production.")] = None,
    as_json: Json = False,
) -> None:
    """Give an environment another name, or say whether it is production."""
    rest = Rest()
    body = {"name": new_name or None, "is_production": production}
    done = rest.call("PATCH", f"/environments/{rest.find('environments', name)['id']}", body)
    say(f"{done['name']} is {'production' if done['is_production'] else 'not production'}.", done, as_json)


@environments.command("delete")
def environments_delete(name: str, as_json: Json = False) -> None:
    """Remove an environment that nothing belongs to and nobody has a role in."""
    rest = Rest()
    found = rest.find("environments", name)
    rest.call("DELETE", f"/environments/{found['id']}")
    say(f"{found['name']} is deleted.", {**found, "deleted": True}, as_json)
