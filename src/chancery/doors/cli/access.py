"""Commands about roles, and one's own API tokens and sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.given import Sets, pairs
from chancery.doors.cli.output import Exit, Json, minute, say, show, stop
from chancery.doors.cli.rest import Rest

roles = typer.Typer(no_args_is_help=True, help="What people may do.")
tokens = typer.Typer(no_args_is_help=True, help="Your own API tokens.")
providers = typer.Typer(no_args_is_help=True, help="Log-ins of others that are trusted: OpenID Connect and SAML.")
sessions = typer.Typer(no_args_is_help=True, help="Your own sessions of the console.")
Permissions = Annotated[list[str], typer.Option("--permission", help="What it gives (repeatable).")]
Only = Annotated[list[str] | None, typer.Option("--permission", help="No more than this (repeatable).")]
Networks = Annotated[list[str] | None, typer.Option("--network", help="Answered only from here (repeatable).")]


@roles.command("list")
def roles_list(as_json: Json = False) -> None:
    """List the roles, how much each gives, and who has it."""
    whole = Rest().call("GET", "/roles")
    show([_summary(role) for role in whole["items"]], ("name", "kind", "permissions", "people", "held"), whole, as_json)


@roles.command("show")
def roles_show(name: str, as_json: Json = False) -> None:
    """Show what a role gives, one permission a line."""
    rows = Rest().call("GET", "/roles")["items"]
    role = next((row for row in rows if row["name"] == name), None)
    if role is None:
        stop(f"There is no role {name!r}.", "`chancery roles list` shows them.")
    if as_json:
        say("", role, as_json)
        return
    about = _summary(role)
    factor = "only with a second factor" if role["needs_factor"] else ""
    having = "person has" if about["people"] == 1 else "people have"
    who = f"{about['people']} {having} it: {', '.join(about['held'])}" if about["people"] else ""
    for line in (f"{name} ({about['kind']})", role["description"], factor, who, *role["permissions"]):
        if line:
            say(line, None, as_json=False)


def _summary(role: dict[str, Any]) -> dict[str, Any]:
    """Return a role as a row: what kind it is, and where people have it."""
    held = role["held"] or {"people": "", "everywhere": False, "teams": 0, "environments": 0}
    numbers = [(held["teams"], "team"), (held["environments"], "environment")]
    where = ["everywhere"] if held["everywhere"] else []
    where += [f"{n} {word}{'s' * (n != 1)}" for n, word in numbers if n]
    kind = "built in" if role["builtin"] else "your own"
    return {
        "name": role["name"],
        "kind": f"{kind}, second factor" if role["needs_factor"] else kind,
        "permissions": len(role["permissions"]),
        "people": held["people"],
        "held": where,
    }


@roles.command("add")
def roles_add(name: str, permission: Permissions, description: str = "", as_json: Json = False) -> None:
    """Add a role of one's own."""
    body = {"name": name, "permissions": permission, "description": description}
    made = Rest().call("POST", "/roles", body)
    say(f"Added {made['name']}.", made, as_json)


@roles.command("edit")
def roles_edit(name: str, permission: Permissions, description: str = "", as_json: Json = False) -> None:
    """Replace what a role of one's own gives; that counts from its people's next request."""
    body = {"permissions": permission, "description": description}
    done = Rest().call("PUT", f"/roles/{name}", body)
    say(f"{done['name']} gives {len(done['permissions'])} permissions.", done, as_json)


@roles.command("delete")
def roles_delete(name: str, as_json: Json = False) -> None:
    """Remove a role of one's own that nobody has."""
    Rest().call("DELETE", f"/roles/{name}")
    say(f"{name} is deleted.", {"name": name, "deleted": True}, as_json)


@roles.command("second-factor")
def roles_second_factor(
    name: str,
    needed: Annotated[bool, typer.Option("--needed/--not-needed", help="Whether it asks for one.")] = True,
    as_json: Json = False,
) -> None:
    """Say whether a role is only for whoever logged in with a second factor."""
    done = Rest().call("PUT", f"/roles/{name}/second-factor", {"needed": needed})
    say(f"{name} asks for {'a' if done['needs_factor'] else 'no'} second factor.", done, as_json)


@tokens.command("list")
def tokens_list(as_json: Json = False) -> None:
    """List your own API tokens."""
    whole = Rest().listing("/tokens", 0)
    times = ("created_at", "expires_at", "revoked_at")
    rows = [{**t, **{n.removesuffix("_at"): minute(t[n])[:10] for n in times}} for t in whole["items"]]
    show(rows, ("id", "name", "hint", "created", "expires", "revoked"), whole, as_json)


@tokens.command("create")
def tokens_create(
    name: str,
    days: Annotated[int, typer.Option(min=1, help="How long it lives.")] = 90,
    permission: Only = None,
    team: Annotated[str, typer.Option(help="Only there.")] = "",
    environment: Annotated[str, typer.Option(help="Only there.")] = "",
    network: Networks = None,
    out: Annotated[Path | None, typer.Option(help="A new file for it, mode 0600; without, it is printed.")] = None,
    as_json: Json = False,
) -> None:
    """Make an API token; it is shown this once."""
    if out is not None:
        files.absent(out, "--out")
    rest = Rest()
    body = {"name": name, "days": days, "permissions": permission or None, "networks": network or []}
    where = {"team": _place(rest, "teams", team), "environment": _place(rest, "environments", environment)}
    made = rest.call("POST", "/tokens", {**body, **where})
    if out is None:
        say(made["token"], made, as_json)
        return
    files.make(out, f"{made.pop('token')}\n".encode(), "--out")
    say(f"{made['name']} is in {out}.", made, as_json)


@tokens.command("revoke")
def tokens_revoke(ident: int, as_json: Json = False) -> None:
    """End one of your own API tokens, at once."""
    Rest().call("DELETE", f"/tokens/{ident}")
    say(f"Token {ident} is ended.", {"id": ident, "revoked": True}, as_json)


@sessions.command("list")
def sessions_list(as_json: Json = False) -> None:
    """List your own open sessions of the console."""
    whole = Rest().call("GET", "/sessions")
    show(whole["items"], ("id", "started_at", "address", "how", "agent"), whole, as_json)


@sessions.command("end")
def sessions_end(ident: str, as_json: Json = False) -> None:
    """End a session: your own, or as an administrator anybody's."""
    Rest().call("DELETE", f"/sessions/{ident}")
    say(f"Session {ident} is ended.", {"id": ident, "ended": True}, as_json)


@providers.command("list")
def providers_list(as_json: Json = False) -> None:
    """List the log-ins of others that are trusted."""
    whole = Rest().call("GET", "/providers")
    show(whole["items"], ("slug", "kind", "title", "mapping", "makes_people", "is_factor"), whole, as_json)


@providers.command("set")
def providers_set(
    slug: str,
    values: Sets = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="GROUP=ROLE, or GROUP=ROLE@TEAM, or GROUP=ROLE@TEAM/ENVIRONMENT.")
    ] = None,
    network: Annotated[list[str] | None, typer.Option("--network", help="Private network it is in.")] = None,
    secret_file: Annotated[Path | None, typer.Option(help="File with the client's secret.")] = None,
    certificate_file: Annotated[Path | None, typer.Option(help="PEM; what a SAML provider signs with.")] = None,
    makes_people: Annotated[bool, typer.Option(help="Let in whoever it knows.")] = False,
    is_factor: Annotated[bool, typer.Option(help="Its log-in counts as two factors.")] = False,
    as_json: Json = False,
) -> None:
    """Trust a log-in of others; --set has title, server_url and client_id, or kind=saml, entity_id and sso_url."""
    body: dict[str, Any] = {**pairs(values), "mapping": mapping or [], "allowed_networks": network or []}
    body |= {"makes_people": makes_people, "is_factor": is_factor}
    if secret_file is not None:
        body["secret"] = files.secret(secret_file, "--secret-file").strip()
    if certificate_file is not None:
        body["certificate"] = files.secret(certificate_file, "--certificate-file")
    done = Rest().call("PUT", f"/providers/{slug}", body)
    say(f"{done['title']} is trusted.", done, as_json)


@providers.command("delete")
def providers_delete(slug: str, as_json: Json = False) -> None:
    """Trust it no longer."""
    Rest().call("DELETE", f"/providers/{slug}")
    say(f"{slug} is deleted.", {"slug": slug, "deleted": True}, as_json)


def _place(rest: Rest, kind: str, name: str) -> Any:
    if not name:
        return None
    rows = rest.call("GET", f"/{kind}")["items"]
    found = next((row["id"] for row in rows if row["name"] == name), None)
    if found is None:
        known = ", ".join(row["name"] for row in rows)
        stop(f"There is no {kind[:-1]} {name!r}.", f"Choose one of: {known}.", Exit.USAGE)
    return found
