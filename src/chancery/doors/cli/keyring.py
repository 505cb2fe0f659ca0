"""Commands about the keys that seal secrets; they run on the host, where the key stores are reached."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from chancery.doors.cli import ready
from chancery.doors.cli.output import Json, hint, on_terminal, plain, progress, stop

keys = typer.Typer(no_args_is_help=True, help="The keys that seal stored secrets; on the host.")


@keys.command("show")
def keys_show(as_json: Json = False) -> None:
    """Say which key store and key seal secrets, and how many they have sealed of all."""
    ready.begin()
    from chancery.apps.connectors import rekeying, ring, sealing

    sealing.check()
    found = rekeying.progress()
    if as_json:
        print(json.dumps({"store": ring.store_name(), **asdict(found)}, indent=2))
        return
    print(plain(f"{ring.store_name()}, key {found.kid or 'not made yet'}"))
    print(f"{found.done} of {found.total} secrets are sealed with it.")
    if not found.erased:
        print("Older keys are kept until an hour after the rotation; a worker erases them then.")


@keys.command("rotate")
def keys_rotate() -> None:
    """Make another key seal secrets, wrapped by the store of CHANCERY_KEK, and wrap all of them anew; all goes on running."""
    ready.begin()
    from chancery.apps.connectors import rekeying, sealing
    from chancery.apps.shared.actor import host_actor

    sealing.check()
    row = rekeying.rotate(host_actor(ready.operator()))
    hint(
        f"Key {row.kid} seals from here on; older secrets are wrapped anew. A worker goes on where this is broken off."
    )
    _wrap()


@keys.command("rewrap")
def keys_rewrap() -> None:
    """Go on with a rotation that was broken off; a worker does so by itself."""
    ready.begin()
    from chancery.apps.connectors import sealing

    sealing.check()
    _wrap()


@keys.command("lost")
def keys_lost(
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Go on without the key; each of these is entered anew.")
    ] = False,
) -> None:
    """Name the stored secrets whose key is gone, and go on without it. Nothing but them is lost with a key."""
    ready.begin()
    from chancery.apps.connectors import losing
    from chancery.apps.shared.actor import host_actor

    found = losing.give_up(host_actor(ready.operator())) if give_up else losing.gone()
    for one in found:
        print(plain(str(one)))
        print(f"    {one.remedy}")
    if not found:
        print("Every stored secret can be opened.")
    elif give_up:
        hint("Start server and worker, and do so for each of these; until then what needs it waits and says so.")
    else:
        stop(
            f"{len(found)} rows hold secrets that no key here opens.",
            "Put the key back. If it is gone for good, --give-up goes on without it; then do for each what stands below it.",
        )


def _wrap() -> None:
    from chancery.apps.connectors import rekeying
    from chancery.apps.shared.action import current_clock

    with progress("Secrets", rekeying.progress().total) as show_done:
        while rekeying.step(current_clock().now()):
            found = rekeying.progress()
            show_done(found.done)
            if not on_terminal(sys.stderr):  # a log, in which a bar would not be seen
                hint(f"{found.done} of {found.total}")
    found = rekeying.progress()
    print(f"{found.done} of {found.total} secrets are sealed with the key {found.kid}.")
