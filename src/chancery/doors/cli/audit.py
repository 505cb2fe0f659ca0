"""Commands about the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.output import Json, minute, show
from chancery.doors.cli.rest import Rest

audit = typer.Typer(no_args_is_help=True, help="Who did what.")
Action = Annotated[str, typer.Option(help="Only this action, such as connectors.create.")]
By = Annotated[str, typer.Option(help="Only by this person (login name).")]
Target = Annotated[str, typer.Option(help="Only about the thing with this id.")]


@audit.command("list")
def audit_list(
    action: Action = "",
    by: By = "",
    target: Target = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 50,
    as_json: Json = False,
) -> None:
    """List audit entries, newest first."""
    whole = Rest().listing("/audit", limit, action=action, by=by, target=target)
    show(map(_row, whole["items"]), ("at", "actor", "action", "target", "outcome"), whole, as_json)


@audit.command("export")
def audit_export(
    action: Action = "",
    by: By = "",
    target: Target = "",
    out: Annotated[Path | None, typer.Option(help="A new file; standard output without.")] = None,
) -> None:
    """Export the very bytes that were written, one entry a line, oldest first."""
    if out is not None and str(out) != "-":
        files.absent(out, "--out")
    files.deliver(Rest().raw("/audit/export", action=action, by=by, target=target), out)


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    target = f"{entry['target']['kind']} {entry['target']['name']}"
    return {**entry, "at": minute(entry["at"]), "actor": entry["actor"]["name"], "target": target}
