"""Commands about bots, their targets and deployments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.given import Sets, pairs, words
from chancery.doors.cli.output import Json, minute, say, show, stop
from chancery.doors.cli.rest import Rest

bots = typer.Typer(no_args_is_help=True, help="Agents on hosts, and what they deploy.")
Days = Annotated[int, typer.Option(min=1, max=90, help="How long the one-time token works.")]
Host = Annotated[str, typer.Option(help="The only host that may use the token.")]
Out = Annotated[Path | None, typer.Option(help="A new file for the token, mode 0600; without, it is printed.")]
Limit = Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")]
TargetName = Annotated[str, typer.Argument(help="The target, by name or id.")]
_TYPED = {"probe_port": int, "seconds": int}


@bots.command("list")
def bots_list(
    status: Annotated[str, typer.Option(help="Only these, for example failed.")] = "",
    limit: Limit = 200,
    as_json: Json = False,
) -> None:
    """List bots."""
    whole = Rest().listing("/bots", limit, status=status)
    rows = [{**b, "seen": minute(b["seen_at"])} for b in whole["items"]]
    show(rows, ("name", "status", "environment", "hostname", "seen"), whole, as_json)


@bots.command("show")
def bots_show(name: str, as_json: Json = False) -> None:
    """Show a bot, with the services that it found on its host."""
    rest = Rest()
    row = rest.call("GET", f"/bots/{rest.find('bots', name)['id']}")
    show([{"field": k, "value": v} for k, v in row.items()], ("field", "value"), row, as_json)


@bots.command("create")
def bots_create(
    name: str,
    team: Annotated[str, typer.Option(help="Team that it belongs to.")],
    environment: Annotated[str, typer.Option(help="Environment that it belongs to.")],
    purpose: Annotated[str, typer.Option(help="both, provisioning or discovery.")] = "both",
    tag: Annotated[list[str] | None, typer.Option(help="name=value (repeatable).")] = None,
    poll_seconds: Annotated[int, typer.Option(min=1, max=3600, help="How often it asks for work.")] = 30,
    days: Days = 30,
    host: Host = "",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Make a bot; its one-time token is shown this once."""
    body: dict[str, Any] = {
        "name": name,
        "team": team,
        "environment": environment,
        "purpose": purpose,
        "poll_seconds": poll_seconds,
    }
    body |= {"days": days, "host": host, "tags": words(tag, "--tag") or {}}
    _token(lambda: Rest().call("POST", "/bots", body), out, as_json)


@bots.command("token")
def bots_token(name: str, days: Days = 30, host: Host = "", out: Out = None, as_json: Json = False) -> None:
    """Make a fresh one-time token: before the bot came, or to enrol it anew."""
    rest = Rest()
    ident = rest.find("bots", name)["id"]
    _token(lambda: rest.call("POST", f"/bots/{ident}/token", {"days": days, "host": host}), out, as_json)


def _token(make: Any, out: Path | None, as_json: bool) -> None:
    if out is not None:
        files.absent(out, "--out")
    made = make()
    if out is None:
        say(made["token"], made, as_json)
        return
    files.make(out, f"{made.pop('token')}\n".encode(), "--out")
    say(f"The token of {made['name']} is in {out}.", made, as_json)


@bots.command("edit")
def bots_edit(
    name: str,
    new_name: Annotated[str, typer.Option(help="Another name for it.")] = "",
    purpose: Annotated[str, typer.Option(help="both, provisioning or discovery.")] = "",
    poll_seconds: Annotated[int, typer.Option(min=0, max=3600, help="How often it asks for work; 0 leaves it.")] = 0,
    tag: Annotated[
        list[str] | None, typer.Option(help="name=value (repeatable); replaces all of them, '' removes them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change a bot; what is not given keeps its value."""
    rest = Rest()
    row = rest.find("bots", name)
    body = {"name": new_name or row["name"], "purpose": purpose or row["purpose"]}
    body |= {"poll_seconds": poll_seconds or row["poll_seconds"]}
    tags = words(tag, "--tag")
    body |= {"tags": row["tags"] if tags is None else tags}
    done = rest.call("PUT", f"/bots/{row['id']}", body)
    say(f"{done['name']} is changed.", done, as_json)


@bots.command("stop")
def bots_stop(name: str, as_json: Json = False) -> None:
    """Give a bot nothing more to do."""
    _do(name, "stop", "is stopped", as_json)


@bots.command("start")
def bots_start(name: str, as_json: Json = False) -> None:
    """Give a stopped bot work again."""
    _do(name, "start", "gets work again", as_json)


def _do(name: str, verb: str, said: str, as_json: bool) -> None:
    rest = Rest()
    done = rest.call("POST", f"/bots/{rest.find('bots', name)['id']}/{verb}")
    say(f"{done['name']} {said}.", done, as_json)


@bots.command("delete")
def bots_delete(name: str, as_json: Json = False) -> None:
    """Delete a bot: its key counts no longer. What is on its host stays there."""
    rest = Rest()
    row = rest.find("bots", name)
    rest.call("DELETE", f"/bots/{row['id']}")
    say(f"{row['name']} is deleted.", {"id": row["id"], "deleted": True}, as_json)


@bots.command("log")
def bots_log(name: str, limit: Limit = 50, as_json: Json = False) -> None:
    """Read a bot's log, newest first."""
    rest = Rest()
    whole = rest.listing(f"/bots/{rest.find('bots', name)['id']}/log", limit)
    rows = [{**line, "at": minute(line["at"])} for line in whole["items"]]
    show(rows, ("at", "level", "text"), whole, as_json)


@bots.command("kinds")
def bots_kinds(
    kind: Annotated[str, typer.Argument(help="One kind, to see its settings.")] = "", as_json: Json = False
) -> None:
    """List the kinds of targets, or the settings of one."""
    whole = Rest().call("GET", "/target-kinds")
    if not kind:
        show(whole["items"], ("kind", "title"), whole, as_json)
        return
    found = next((k for k in whole["items"] if k["kind"] == kind), None)
    if found is None:
        stop(f"There is no kind of target {kind!r}.", "`chancery bots kinds` shows them.")
    schema = found["settings"]
    needed = schema.get("required", [])
    rows = [
        {
            "setting": n,
            "default": "required" if n in needed else p.get("default"),
            "about": p.get("description") or p["title"],
        }
        for n, p in schema["properties"].items()
    ]
    show(rows, ("setting", "default", "about"), found, as_json)


@bots.command("targets")
def bots_targets(name: str, as_json: Json = False) -> None:
    """List a bot's targets."""
    rest = Rest()
    whole = rest.call("GET", f"/bots/{rest.find('bots', name)['id']}/targets")
    rows = [{**t, "due": minute(t["due_at"])} for t in whole["items"]]
    show(rows, ("name", "kind", "names", "due", "problem"), whole, as_json)


@bots.command("add-target")
def bots_add_target(
    name: str,
    target: Annotated[str, typer.Argument(help="What the target is called.")],
    kind: Annotated[str, typer.Option(help="`chancery bots kinds` shows them.")],
    profile: Annotated[str, typer.Option(help="Profile to order with, by name or id.")],
    host: Annotated[list[str], typer.Option("--name", help="A name for the certificate (repeatable).")],
    key_type: str = "EC-P256",
    renew_days: Annotated[int, typer.Option(min=0, help="Days before its end; 0 for the usual share of its life.")] = 0,
    window: Annotated[str, typer.Option(help="When it may be deployed, as mon-fri 22:00-04:00 in UTC.")] = "",
    values: Sets = None,
    as_json: Json = False,
) -> None:
    """Add a target to a bot; --set gives the settings of its kind."""
    rest = Rest()
    body: dict[str, Any] = {"name": target, "kind": kind, "profile": profile, "names": host, "key_type": key_type}
    body |= {"renew_days": renew_days, "window": window, "settings": _settings(values)}
    made = rest.call("POST", f"/bots/{rest.find('bots', name)['id']}/targets", body)
    say(f"Added {made['name']}.", made, as_json)


@bots.command("edit-target")
def bots_edit_target(
    name: str,
    target: TargetName,
    new_name: Annotated[str, typer.Option(help="What it is called from now on.")] = "",
    profile: str = "",
    host: Annotated[list[str] | None, typer.Option("--name", help="A name for the certificate (repeatable).")] = None,
    key_type: Annotated[str, typer.Option(help="Of its next key, for example EC-P256.")] = "",
    renew_days: Annotated[
        int | None, typer.Option(min=0, help="Days before its end; 0 for the usual share of its life.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="When it may be deployed; empty for any time.")] = None,
    values: Sets = None,
    as_json: Json = False,
) -> None:
    """Change a target; what is not given keeps its value."""
    rest = Rest()
    row = _target(rest, name, target)
    body = {n: row[n] for n in ("name", "kind", "profile", "names", "key_type", "renew_days", "window", "revision")}
    body |= {"settings": {**row["settings"], **_settings(values)}}
    given: dict[str, Any] = {
        "name": new_name or None,
        "profile": profile or None,
        "names": host or None,
        "key_type": key_type or None,
    }
    given |= {"renew_days": renew_days, "window": window}
    body |= {n: v for n, v in given.items() if v is not None}
    done = rest.call("PUT", f"/targets/{row['id']}", body)
    say(f"{done['name']} is changed.", done, as_json)


@bots.command("delete-target")
def bots_delete_target(name: str, target: TargetName, as_json: Json = False) -> None:
    """Delete a target. What is on the host stays there."""
    rest = Rest()
    row = _target(rest, name, target)
    rest.call("DELETE", f"/targets/{row['id']}")
    say(f"{row['name']} is deleted.", {"id": row["id"], "deleted": True}, as_json)


@bots.command("deploy")
def bots_deploy(
    name: str,
    target: TargetName,
    again: Annotated[
        bool, typer.Option("--again", help="The newest certificate once more, instead of a new one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Order a new certificate for a target now, and deploy it."""
    _begin(name, target, "again" if again else "issue", as_json)


@bots.command("roll-back")
def bots_roll_back(name: str, target: TargetName, as_json: Json = False) -> None:
    """Put back what a target served before its last deployment."""
    _begin(name, target, "roll-back", as_json)


@bots.command("deployments")
def bots_deployments(name: str, limit: Limit = 50, as_json: Json = False) -> None:
    """List what a bot deployed and is to deploy, newest first."""
    rest = Rest()
    whole = rest.listing(f"/bots/{rest.find('bots', name)['id']}/deployments", limit)
    rows = [{**d, "at": minute(d["created_at"])} for d in whole["items"]]
    show(rows, ("at", "target_name", "kind", "state", "text"), whole, as_json)


@bots.command("timeline")
def bots_timeline(deployment: str, as_json: Json = False) -> None:
    """Show one deployment (its id), from the wish over the order to what is served."""
    whole = Rest().call("GET", f"/deployments/{deployment}")
    rows = [{**line, "at": minute(line["at"])} for line in whole["timeline"]]
    show(rows, ("at", "kind", "actor", "text"), whole, as_json)


@bots.command("cancel")
def bots_cancel(deployment: str, as_json: Json = False) -> None:
    """Give up a deployment (its id) that its bot has not begun."""
    done = Rest().call("POST", f"/deployments/{deployment}/cancel")
    say(f"The deployment to {done['target_name']} is given up.", done, as_json)


def _begin(name: str, target: str, verb: str, as_json: bool) -> None:
    rest = Rest()
    made = rest.call("POST", f"/targets/{_target(rest, name, target)['id']}/{verb}")
    say(f"{made['id']}: it is done at the bot's next look.", made, as_json)


def _target(rest: Rest, bot: str, name: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = rest.call("GET", f"/bots/{rest.find('bots', bot)['id']}/targets")["items"]
    found = [t for t in rows if name in {t["id"], t["name"]}]
    if len(found) != 1:
        text = f"{len(found)} targets of {bot} are called {name!r}." if found else f"{bot} has no target {name!r}."
        stop(text, f"`chancery bots targets {bot}` shows them; ids work too (--json).")
    return found[0]


def _settings(values: list[str] | None) -> dict[str, Any]:
    """Return settings as the API has them: whole numbers by their names."""
    found = pairs(values)
    for name, convert in _TYPED.items():
        if isinstance(found.get(name), str) and found[name].isascii() and found[name].isdigit():
            found[name] = convert(found[name])
    return found
