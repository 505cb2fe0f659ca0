"""Commands about the record that run on the host, on the tables themselves."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chancery.doors.cli import ready
from chancery.doors.cli.afterwards import NEXT, SAME_ACCOUNTS, put_back, sentence
from chancery.doors.cli.output import Exit, Json, hint, plain, say, stop


def add(group: typer.Typer) -> None:
    """Register the commands."""
    for command in (verify, new_key, restored, forget):
        group.command(command.__name__.replace("_", "-"))(command)


def verify(
    checkpoints: Annotated[
        list[Path] | None, typer.Option(help="A file with checkpoints kept elsewhere; again for more.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="The public key that you noted; the stored one without.")
    ] = None,
    as_json: Json = False,
) -> None:
    """On the host: compare entries, columns, tree, checkpoints and files outside; name the first bad entry."""
    ready.begin()
    from chancery.apps.audit import checking

    try:
        found = checking.verify(files=checkpoints or (), keys=key or ())
    except ValueError as error:
        stop(f"--key: this is {error}.", "Give it as `chancery audit state` shows it.", Exit.USAGE)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        print(*map(plain, found.problems), sep="\n", end="\n" if found.problems else "")
        print(
            f"{found.entries} entries and {found.checkpoints} checkpoints were looked at, {found.outside} of them outside;"
            f" {found.waiting} entries have no place yet, and {found.erased} names were erased."
        )
    if not key:
        hint("The stored key was believed. Give --key with the one that you noted elsewhere to be sure of it.")
    sys.exit(Exit.REFUSED if found.problems else Exit.DONE)


def new_key(
    lost: Annotated[
        bool, typer.Option("--lost", help="The old key is gone; whoever verifies must be told the new.")
    ] = False,
    as_json: Json = False,
) -> None:
    """On the host: let another key sign the record; the old one names it in a checkpoint that both sign."""
    ready.begin()
    from chancery.apps.audit import keeping, signing
    from chancery.apps.shared.actor import host_actor

    keeping.new_key(host_actor(ready.operator()), lost=lost)
    key = str(signing.log().key)
    say(f"From here on signs {key}", {"key": key}, as_json)
    hint(f"Copy {ready.home() / 'audit-key'} to every other node that runs a worker, and make a backup.")


def restored(
    same_accounts: Annotated[bool, typer.Option("--same-accounts", help=SAME_ACCOUNTS)] = False,
    as_json: Json = False,
) -> None:
    """On the host: say that the database was put back from a backup. Checkpoints get a new origin; nothing is sent blindly.

    Every connector is switched off, and what may have been sent to a CA since the backup is searched for there.
    """
    ready.begin()
    origin, found = put_back(same_accounts=same_accounts)
    about = {"origin": origin, **asdict(found), "since": found.since.isoformat()}
    say(f"Checkpoints are of {origin} from here on.\n{sentence(found)}", about, as_json)
    hint(NEXT)


def forget(
    name: Annotated[str, typer.Argument(help="Login name as entries show it.")],
    until: Annotated[str, typer.Option(help="Only entries before this day (2026-11-01, UTC).")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """On the host: erase a person's login name and addresses beside the record; entries and proofs stay as they are."""
    ready.begin()
    from chancery.apps.audit import keeping
    from chancery.apps.shared.actor import host_actor

    try:
        before = datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None
    except ValueError:
        stop(f"--until: {until[:40]!r} is no date.", "Write a day, as 2026-11-01.", Exit.USAGE)
    if not yes and not typer.confirm(f"Erase {plain(name)} and the addresses it came from, for good?", err=True):
        stop("Nothing was erased.")
    erased = keeping.forget(host_actor(ready.operator()), name, before)
    say(f"{erased} entries no longer name {name}.", {"name": name, "entries": erased}, as_json)
