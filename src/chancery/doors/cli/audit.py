"""Commands about the record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from chancery.doors.cli import files, keeping
from chancery.doors.cli.output import Json, minute, plain, progress, say, show
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
    with progress("Reading the record"):
        found = Rest().raw("/audit/export", **asked, since=since, until=until)
    files.deliver(found, out)


@audit.command("state")
def audit_state(as_json: Json = False) -> None:
    """Say how the record is proven: entries under a signed checkpoint, the keys to note elsewhere, places outside."""
    whole = Rest().call("GET", "/audit/state")
    if not as_json:
        print(plain(f"{whole['entries']} entries are in the tree, {whole['waiting']} wait for their place."))
        print(
            plain(
                f"The newest checkpoint is of {minute(whole['signed_at']) or 'no time yet'}; its origin is {whole['origin']}."
            )
        )
        print(*(f"key {plain(key)}" for key in whole["keys"]), sep="\n")
    anchors = [{**a, "at": minute(a["at"])} for a in whole["anchors"]]
    if as_json or anchors:
        show(anchors, ("place", "size", "at", "failures", "error"), whole, as_json)


@audit.command("prove")
def audit_prove(
    entry: Annotated[str, typer.Argument(help="Id of an entry.")],
    out: Annotated[
        Path | None, typer.Option(help="A new file for the proof (C2SP tlog-proof); standard output without.")
    ] = None,
    entry_out: Annotated[Path | None, typer.Option(help="A new file for the entry's very bytes.")] = None,
    as_json: Json = False,
) -> None:
    """Prove that one entry is in the record; `verify_audit.py --proof` checks it with nothing of ours."""
    for path, option in ((out, "--out"), (entry_out, "--entry-out")):
        if path is not None and str(path) != "-":
            files.absent(path, option)
    whole = Rest().call("GET", f"/audit/entries/{quote(entry, safe='')}/proof")
    if entry_out is not None:
        files.make(entry_out, whole["body"].encode(), "--entry-out", 0o666)
    files.deliver((json.dumps(whole, indent=2) + "\n" if as_json else whole["file"]).encode(), out)


@audit.command("growth")
def audit_growth(
    old: Annotated[int, typer.Argument(min=1, help="Entries of the smaller tree.")],
    new: Annotated[int, typer.Argument(min=1, help="Entries of the larger tree.")],
    as_json: Json = False,
) -> None:
    """Prove that the record of OLD entries is the beginning of the one of NEW (RFC 9162 section 2.1.4)."""
    whole = Rest().call("GET", "/audit/growth", old=old, new=new)
    say("\n".join(whole["hashes"]), whole, as_json)


@audit.command("archive")
def audit_archive(out: Annotated[Path, typer.Option(help="A new file: a tar file.")]) -> None:
    """Write the whole record up to the newest checkpoint, with hashes, keys and the program that verifies it."""
    files.absent(out, "--out")
    files.deliver(Rest().raw("/audit/archive"), out, binary=True)


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    target = f"{entry['target']['kind']} {entry['target']['name'] or entry['target']['id']}"
    how = entry["reason"] or entry["detail"].get("state") or entry["detail"].get("revocation", "")
    outcome = f"{entry['outcome']}, {how}" if how else entry["outcome"]
    shown = {"actor": entry["actor"]["name"] or "–", "target": target, "outcome": outcome.replace("_", " ")}
    return {**entry, "at": minute(entry["at"]), **shown}


keeping.add(audit)
