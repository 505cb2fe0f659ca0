"""Values that are given on the command line as name=value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.output import Exit, stop

Networks = Annotated[
    list[str] | None, typer.Option("--network", help="A private network that the address may lead into, 10.1.0.0/16.")
]
NetworksAnew = Annotated[
    list[str] | None, typer.Option("--network", help="Instead of the present ones; may be repeated. Empty for none.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="name=value; a list by commas, true and false for switches.")
]
NotBefore = Annotated[str, typer.Option(help="From when it is in force, as 2030-01-31T22:00:00Z.")]
Secrets = Annotated[list[str] | None, typer.Option("--secret", help="name=@file: the secret is read from a file.")]


def pairs(given: list[str] | None, option: str = "--set") -> dict[str, Any]:
    """Return name=value pairs; true and false are switches."""
    return {name: {"true": True, "false": False}.get(value, value) for name, value in _named(given, option)}


def words(given: list[str] | None, option: str) -> dict[str, str] | None:
    """Return name=value pairs whose values are words, None where nothing was given; an empty word stands for none."""
    kept = anew(given)
    return None if kept is None else dict(_named(kept, option))


def _named(given: list[str] | None, option: str) -> Iterator[tuple[str, str]]:
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            stop(f"{option} {text}: this is not name=value.", "Write name=value.", Exit.USAGE)
        yield name, value


def secrets(given: list[str] | None) -> dict[str, str]:
    """Return the secrets that files hold, by name."""
    found = {}
    for text in given or []:
        name, _, value = text.partition("=")
        if not value.startswith("@"):
            remedy = f"Write {name}=@path (a command line shows in process lists)."
            stop(f"--secret {name}: secrets are read from files.", remedy, Exit.USAGE)
        found[name] = files.secret(Path(value[1:]), f"--secret {name}")
    return found


def anew(given: list[str] | None) -> list[str] | None:
    """Return what takes the place of a list, None where nothing was given; an empty word stands for an empty list."""
    return None if given is None else [word for word in given if word]
