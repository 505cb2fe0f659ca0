"""Commands about webhooks: programs that are told what happens."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.given import Networks, NetworksAnew, anew
from chancery.doors.cli.output import Exit, Json, hint, progress, say, show, stop
from chancery.doors.cli.rest import Rest

webhooks = typer.Typer(no_args_is_help=True, help="Programs that are told what happens.")
_FOLLOW = 30.0
_KEPT = ("name", "team", "environment", "url", "events", "allowed_networks", "is_active")
Events = Annotated[
    list[str] | None, typer.Option("--event", help="order.issued, or order.*; may be repeated. Without: every one.")
]
EventsAnew = Annotated[
    list[str] | None, typer.Option("--event", help="Instead of the present ones; may be repeated. Empty for every one.")
]
Out = Annotated[Path, typer.Option("--secret-out", help="A new file for the secret; it is shown nowhere else.")]


@webhooks.command("list")
def webhooks_list(
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 200, as_json: Json = False
) -> None:
    """List webhooks."""
    whole = Rest().listing("/webhooks", limit)
    show(whole["items"], ("name", "url", "team", "environment", "events", "is_active", "failures"), whole, as_json)


@webhooks.command("show")
def webhooks_show(name: str, as_json: Json = False) -> None:
    """Show a webhook, without its secret."""
    row = Rest().find("webhooks", name)
    show([{"field": k, "value": v} for k, v in row.items()], ("field", "value"), row, as_json)


@webhooks.command("create")
def webhooks_create(
    name: str,
    url: str,
    secret_out: Out,
    event: Events = None,
    network: Networks = None,
    team: str = "Operations",
    environment: str = "",
    as_json: Json = False,
) -> None:
    """Add a webhook that is told what happens from now on."""
    files.absent(secret_out, "--secret-out")
    body = {"name": name, "team": team, "environment": environment, "url": url}
    made = Rest().call("POST", "/webhooks", {**body, "events": event or [], "allowed_networks": network or []})
    _keep(made, secret_out)
    say(f"Created {made['name']}. `chancery webhooks test` shows that it works.", made, as_json)


@webhooks.command("edit")
def webhooks_edit(
    name: str,
    url: str = "",
    new_name: Annotated[str, typer.Option(help="Another name for it.")] = "",
    event: EventsAnew = None,
    network: NetworksAnew = None,
    team: str = "",
    environment: Annotated[str | None, typer.Option(help="Empty for every one.")] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Whether anything is sent.")] = None,
    as_json: Json = False,
) -> None:
    """Change a webhook; what is not given keeps its value."""
    rest = Rest()
    row = rest.find("webhooks", name)
    given: dict[str, Any] = {"events": anew(event), "allowed_networks": anew(network), "is_active": on}
    given |= {"team": team or None, "url": url or None, "name": new_name or None, "environment": environment}
    body = {n: row[n] for n in _KEPT} | {n: v for n, v in given.items() if v is not None}
    done = rest.call("PUT", f"/webhooks/{row['id']}", {**body, "revision": row["revision"]})
    say(f"{done['name']} is changed.", done, as_json)


@webhooks.command("rotate")
def webhooks_rotate(name: str, secret_out: Out, as_json: Json = False) -> None:
    """Make a new secret; for a day messages are signed by both."""
    files.absent(secret_out, "--secret-out")
    rest = Rest()
    done = rest.call("POST", f"/webhooks/{rest.find('webhooks', name)['id']}/rotate")
    _keep(done, secret_out)
    say(f"{done['name']} has a new secret; the old one counts until {done['former_secret_until']}.", done, as_json)


@webhooks.command("test")
def webhooks_test(name: str, as_json: Json = False) -> None:
    """Have a worker send a test."""
    rest = Rest()
    before = rest.find("webhooks", name)
    row = rest.call("POST", f"/webhooks/{before['id']}/test")
    deadline = time.monotonic() + _FOLLOW
    with progress("Waiting for a worker"):
        while row["test_asked_at"] is not None and time.monotonic() < deadline:
            time.sleep(0.2)
            row = rest.call("GET", f"/webhooks/{before['id']}")
    if row["test_asked_at"] is not None:
        stop("No worker answered.", "Start one with `chancery worker`.", Exit.UNREACHABLE)
    if row["tested_at"] == before["tested_at"]:
        stop(f"The test was not taken. {row['last_error']}", "Check the address and the allowed networks.")
    say("Sent, and taken.", row, as_json)


@webhooks.command("delete")
def webhooks_delete(name: str, as_json: Json = False) -> None:
    """Remove a webhook and its secret."""
    rest = Rest()
    row = rest.find("webhooks", name)
    rest.call("DELETE", f"/webhooks/{row['id']}")
    say(f"{row['name']} is deleted.", {"id": row["id"], "deleted": True}, as_json)


def _keep(made: dict[str, Any], out: Path) -> None:
    files.make(out, f"{made.pop('secret')}\n".encode(), "--secret-out")
    hint(f"The secret is in {out}.")
