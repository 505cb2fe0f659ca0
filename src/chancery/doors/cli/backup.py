"""The command `backup`: database and keys in one archive, taken while everything runs."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

from chancery import __version__
from chancery.core.errors import ChanceryError
from chancery.doors.cli import archive, files, ready
from chancery.doors.cli.output import hint, progress, stop


def backup(file: Path) -> None:
    """Write a backup to a new FILE of mode 0600: the database (SQLite) and the keys; with PostgreSQL, the keys alone.

    It holds every secret of the installation: keep it as you keep those. The server and workers may run meanwhile.
    """
    ready.begin()
    files.absent(file, "FILE")
    from chancery.apps.audit import occasions
    from chancery.apps.connectors import sealing
    from chancery.apps.shared.action import current_clock
    from chancery.apps.shared.actor import host_actor

    try:
        sealing.check()
        about = {"release": __version__, "made_at": current_clock().now().isoformat(), "key_id": sealing.key_id()}
    except ChanceryError as error:
        stop(str(error), f"{error.remedy} A backup without it would be worth little.")
    about["database"] = "sqlite" if ready.on_sqlite() else "postgresql"
    # Before the copy is taken, so that the copy says so too.
    occasions.note(host_actor(ready.operator()), "host.backup", "backup", file.name, {"database": about["database"]})
    with tempfile.TemporaryDirectory(prefix=".chancery-backup-", dir=file.absolute().parent) as made:
        folder, parts = Path(made), {}
        if ready.on_sqlite():
            with progress("Copying the database"):
                parts[ready.DATABASE] = _copied(ready.home() / ready.DATABASE, folder / ready.DATABASE)
        # After the database: whatever is sealed in the copy was sealed with a key that is there by now.
        parts |= {name: ready.home() / name for name in archive.KEYS if (ready.home() / name).exists()}
        archive.write(file, folder, parts, about)
    print(f"{file} holds {', '.join(parts)}.")
    if not ready.on_sqlite():
        hint(
            f"The database itself is PostgreSQL's to back up: pg_dump --format=custom --file=chancery.dump {_dbname()}"
        )


def _copied(source: Path, target: Path) -> Path:
    """Copy a database by SQLite's online backup: as it stands at one moment, while others write."""
    address = f"file:{quote(str(source))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        stop(f"The copy of {source} is damaged: {found}", "Look at the disk, and at the newest backup that is well.")
    target.chmod(0o600)
    return target


def _dbname() -> str:
    """Return how pg_dump is told the database, without its password."""
    from django.conf import settings

    parts = urlsplit(settings.ENVIRONMENT.database_url)
    where = f"{parts.username}@" if parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    return f"'{parts._replace(netloc=where + host).geturl()}'"
