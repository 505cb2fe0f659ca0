"""Commands about notices and the channels that they go to."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from chancery.doors.cli.given import Networks, NetworksAnew, Secrets, anew, secrets
from chancery.doors.cli.output import Exit, Json, minute, progress, say, show, stop
from chancery.doors.cli.rest import Rest

notices = typer.Typer(no_args_is_help=True, help="What people are told.")
channels = typer.Typer(no_args_is_help=True, help="Where notices go.")
_FOLLOW = 90.0
_KEPT = ("name", "team", "environment", "kinds", "allowed_networks", "is_active")
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; may be repeated. Without: every one.")]
KindsAnew = Annotated[
    list[str] | None, typer.Option("--kind", help="Instead of the present ones; may be repeated. Empty for every one.")
]


@notices.command("list")
def notices_list(
    state: Annotated[str, typer.Option(help="open, over or all.")] = "open",
    kind: Annotated[str, typer.Option(help="Only of this kind, as connector_sick.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 200,
    as_json: Json = False,
) -> None:
    """List conditions that people are told of, newest first."""
    whole = Rest().listing("/notices", limit, state=state, kind=kind)
    rows = [{**row, "since": minute(row["opened_at"]), "over": minute(row["resolved_at"])} for row in whole["items"]]
    show(rows, ("kind", "title", "text", "since", "over"), whole, as_json)


@channels.command("list")
def channels_list(
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 200, as_json: Json = False
) -> None:
    """List channels."""
    whole = Rest().listing("/channels", limit)
    show(whole["items"], ("name", "service", "team", "environment", "is_active", "failures"), whole, as_json)


@channels.command("create")
def channels_create(
    name: str,
    secret: Secrets = None,
    kind: Kinds = None,
    network: Networks = None,
    team: str = "Operations",
    environment: str = "",
    as_json: Json = False,
) -> None:
    """Add a channel. Its address goes by `--secret url=@file`, like every secret."""
    body = {"name": name, "team": team, "environment": environment, **secrets(secret)}
    made = Rest().call("POST", "/channels", {**body, "kinds": kind or [], "allowed_networks": network or []})
    say(f"Created {made['name']} ({made['service']}). `chancery channels test` shows that it works.", made, as_json)


@channels.command("edit")
def channels_edit(
    name: str,
    secret: Secrets = None,
    new_name: Annotated[str, typer.Option(help="Another name for it.")] = "",
    kind: KindsAnew = None,
    network: NetworksAnew = None,
    team: str = "",
    environment: Annotated[str | None, typer.Option(help="Empty for every one.")] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Whether anything is sent.")] = None,
    as_json: Json = False,
) -> None:
    """Change a channel; what is not given keeps its value."""
    rest = Rest()
    row = rest.find("channels", name)
    given: dict[str, Any] = {"kinds": anew(kind), "allowed_networks": anew(network), "team": team or None}
    given |= {"name": new_name or None, "environment": environment, "is_active": on}
    body = {n: row[n] for n in _KEPT} | {n: v for n, v in given.items() if v is not None} | secrets(secret)
    done = rest.call("PUT", f"/channels/{row['id']}", {**body, "revision": row["revision"]})
    say(f"{done['name']} is changed.", done, as_json)


@channels.command("test")
def channels_test(name: str, as_json: Json = False) -> None:
    """Have a worker send a test to a channel."""
    rest = Rest()
    ident = rest.find("channels", name)["id"]
    made = rest.call("POST", f"/channels/{ident}/test")
    deadline = time.monotonic() + _FOLLOW
    with progress("Waiting for a worker"):
        while made["state"] == "due" and time.monotonic() < deadline:
            time.sleep(0.2)
            made = rest.call("GET", f"/channels/{ident}/deliveries/{made['id']}")
    if made["state"] == "due":
        stop("No worker answered.", "Start one with `chancery worker`.", Exit.UNREACHABLE)
    if made["state"] == "failed":
        stop(f"It could not be sent: {made['error']}", "Check the address and the allowed networks.")
    say("Sent.", made, as_json)


@channels.command("delete")
def channels_delete(name: str, as_json: Json = False) -> None:
    """Remove a channel and its address."""
    rest = Rest()
    row = rest.find("channels", name)
    rest.call("DELETE", f"/channels/{row['id']}")
    say(f"{row['name']} is deleted.", {"id": row["id"], "deleted": True}, as_json)
