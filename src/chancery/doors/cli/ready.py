"""What host commands look at before they begin: whether there is a home, a database with its tables, and the key file.

Each says in a sentence what is missing and which command makes it, instead of a trace.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chancery import looking
from chancery.core.errors import ChanceryError
from chancery.doors.cli.output import stop

DATABASE = "chancery.sqlite3"
_SCHEMA = 0x6368616E63657279
"""The number of the advisory lock under which the schema changes; any, as long as it stays."""


def look_only() -> None:
    """Keep this process from making anything in the home by being run; call it before anything else."""
    looking.only = True


def operator() -> str:
    """Return the login name of whoever sits at this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return f"uid{os.getuid()}"


def home() -> Path:
    """Return the home folder, which need not be there."""
    from chancery.settings.base import HOME

    return HOME


def on_sqlite() -> bool:
    """Say whether the database is the file in the home."""
    from chancery.settings.base import ENVIRONMENT

    return not ENVIRONMENT.database_url


def begin() -> None:
    """Make Django ready where there is a database with all of this release's tables; else end the command."""
    look_only()
    problem = nothing_there()
    if problem:
        stop(*problem)
    import django

    django.setup()
    problem = tables_missing()
    if problem:
        stop(*problem)


def nothing_there() -> tuple[str, str] | None:
    """Return what to say where SQLite's file is not there: looking for tables in it would make it."""
    file = home() / DATABASE
    if not on_sqlite() or (file.is_file() and file.stat().st_size):
        return None
    return f"There is no database {file} yet.", "Run `chancery init` first, or say in CHANCERY_HOME where the home is."


def tables_missing() -> tuple[str, str] | None:
    """Return what to say where the database does not answer or lacks tables of this release; Django is set up."""
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        return f"The database cannot be used: {_first_line(error)}.", "Start it, or correct CHANCERY_DATABASE_URL."
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not pending:
        return None
    if not executor.loader.applied_migrations:
        return "The database is empty.", "Run `chancery init` first."
    text = f"The database lacks {len(pending)} changes of this release (next: {pending[0][0]})."
    return text, "Make a backup, then run `chancery migrate`."


@contextmanager
def alone() -> Iterator[None]:
    """Keep other nodes out of what changes the schema while the block runs; on SQLite its own transactions do."""
    from django.db import connection

    if connection.vendor != "postgresql":
        yield
        return
    from psycopg import connect

    # A session of its own: what runs in the block may end the connection that it uses.
    with connect(**{**connection.get_connection_params(), "autocommit": True}) as held:
        held.execute("SELECT pg_advisory_lock(%s)", [_SCHEMA])
        yield


def key_file() -> None:
    """End the command where stored secrets were sealed with a key file that is not there."""
    from chancery.apps.connectors import sealing

    try:
        sealing.check()
    except ChanceryError as error:
        stop(str(error), error.remedy)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
