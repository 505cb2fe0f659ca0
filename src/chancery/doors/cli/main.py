"""The command `chancery`. Host commands act as the operating-system user; the others speak REST."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from chancery.apps.shared.settling import spare
from chancery.core.errors import ChanceryError
from chancery.doors.cli import host, remote
from chancery.doors.cli.output import Exit, stop, to_programs


class Commands(TyperGroup):
    """All commands; with --json also a command that is written wrongly is answered in JSON."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **given: Any) -> Any:
        """Run the command that `args` say, or those of this process."""
        said = sys.argv[1:] if args is None else list(args)
        to_programs.set("--json" in said)
        if not to_programs.get():
            return super().main(said, *more, **given)
        try:
            status = super().main(said, *more, **{**given, "standalone_mode": False})
        except typer.Abort:
            stop("It was broken off; nothing was done.")
        except Exception as error:
            # The class of its own refusals is none that the library shows.
            told = getattr(error, "format_message", None)
            if told is None:
                raise
            stop(told(), f"`chancery {' '.join(_words(said))} --help` says how it is written.", Exit.USAGE)
        sys.exit(status if isinstance(status, int) else 0)


def _words(said: Sequence[str]) -> list[str]:
    """Return the names of group and command at the beginning of what was written."""
    first = next((n for n, word in enumerate(said) if word.startswith("-")), len(said))
    return list(said[: min(first, 2)])


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    # What stands in variables while something fails may be a secret.
    pretty_exceptions_show_locals=False,
    help="One console, API and engine for every CA.",
)
host.add(app)
remote.add(app)


def main() -> None:
    """Run the command line; a refusal, and what this machine does not give, is one clear line and an exit status."""
    spare()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chancery.settings")
    for stream in (sys.stdout, sys.stderr):
        # A name that this terminal cannot show is shown by its code, instead of ending the command.
        getattr(stream, "reconfigure", dict)(errors="backslashreplace")
    try:
        app()
    except Exception as error:
        found = explained(error)
        if found is None:
            raise
        stop(*found)


def explained(error: Exception) -> tuple[str, str, Exit] | None:
    """Return what is wrong, what to do, and the exit status; None for a fault of ours, whose trace is wanted."""
    if isinstance(error, ChanceryError):
        return str(error), error.remedy, Exit.REFUSED
    if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}{error.strerror}.",
            "Check the path, who may write there, and whether there is room.",
            Exit.USAGE,
        )
    from django.db import InterfaceError, OperationalError

    if isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError):
        text = (str(error).strip().splitlines() or ["it does not answer"])[0].rstrip(".")
        remedy = "Start it, or correct CHANCERY_HOME and CHANCERY_DATABASE_URL; a disk may be full or read-only."
        return f"The database cannot be used: {text}.", remedy, Exit.REFUSED
    return None
