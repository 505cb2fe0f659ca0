"""Commands about the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.output import Json, minute, show
from chancery.doors.cli.rest import Rest

audit = typer.Typer(no_args_is_help=True, help="Who did what.")
Action = Annotated[str, typer.Option(help="Only this action (orders.place), or all beginning with a word (orders).")]
By = Annotated[str, typer.Option(help="Only by this person (login name).")]
Address = Annotated[str, typer.Option(help="Only of requests from this address.")]
Target = Annotated[str, typer.Option(help="Only about the thing with this id.")]
Outcome = Annotated[str, typer.Option(help="Only what was done, or only what was refused.")]
Since = Annotated[str, typer.Option(help="Only since this day (2026-11-01) or moment.")]
Until = Annotated[str, typer.Option(help="Only until this day, included, or moment.")]


@audit.command("list")
def audit_list(
    action: Action = "",
    by: By = "",
    address: Address = "",
    target: Target = "",
    outcome: Outcome = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 50,
    as_json: Json = False,
) -> None:
    """List audit entries, newest first."""
    asked = {"action": action, "by": by, "address": address, "target": target, "outcome": outcome}
    whole = Rest().listing("/audit", limit, **asked, since=since, until=until)
    show(map(_row, whole["items"]), ("at", "actor", "action", "target", "outcome"), whole, as_json)


@audit.command("export")
def audit_export(
    action: Action = "",
    by: By = "",
    address: Address = "",
    target: Target = "",
    outcome: Outcome = "",
    since: Since = "",
    until: Until = "",
    out: Annotated[Path | None, typer.Option(help="A new file; standard output without.")] = None,
) -> None:
    """Export the very bytes that were written, one entry a line, oldest first."""
    if out is not None and str(out) != "-":
        files.absent(out, "--out")
    asked = {"action": action, "by": by, "address": address, "target": target, "outcome": outcome}
    files.deliver(Rest().raw("/audit/export", **asked, since=since, until=until), out)


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    target = f"{entry['target']['kind']} {entry['target']['name'] or entry['target']['id']}"
    how = entry["reason"] or entry["detail"].get("state") or entry["detail"].get("revocation", "")
    outcome = f"{entry['outcome']}, {how}" if how else entry["outcome"]
    shown = {"actor": entry["actor"]["name"] or "–", "target": target, "outcome": outcome.replace("_", " ")}
    return {**entry, "at": minute(entry["at"]), **shown}
