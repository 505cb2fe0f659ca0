"""The command `chancery`. Host commands act as the operating-system user; the others speak REST."""

from __future__ import annotations

import os
import sys

import typer

from chancery.doors.cli import host, remote

app = typer.Typer(no_args_is_help=True, add_completion=False, help="One console, API and engine for every CA.")
host.add(app)
remote.add(app)


def main() -> None:
    """Run the command line; a refusal is one clear line and exit status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chancery.settings")
    from chancery.core.errors import ChanceryError

    try:
        app()
    except ChanceryError as error:
        print(f"chancery: {error}", file=sys.stderr)
        if error.remedy:
            print(f"          {error.remedy}", file=sys.stderr)
        sys.exit(1)
