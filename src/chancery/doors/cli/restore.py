"""The command `restore`: puts a backup in the place of a home, and what was there aside."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

import chancery
from chancery.core.clock import SYSTEM_CLOCK
from chancery.doors.cli import archive, ready
from chancery.doors.cli.afterwards import NEXT, SAME_ACCOUNTS, put_back, sentence
from chancery.doors.cli.output import Exit, hint, stop

_KEY = 32
_OURS = Path(chancery.__file__).parent / "apps"


def restore(
    file: Path,
    *,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Also where the home has people; what was there is put aside, not deleted."),
    ] = False,
    same_accounts: Annotated[bool, typer.Option("--same-accounts", help=SAME_ACCOUNTS)] = False,
) -> None:
    """Put the database and keys of a backup into the home, and bring them to this release. Stop everything first."""
    ready.look_only()
    home = ready.home()
    if not file.is_file():
        stop(f"FILE {file}: there is no such file.", "Give the archive that `chancery backup` wrote.", Exit.USAGE)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=home) as made, _no_worker(home):
        folder = Path(made)
        manifest = archive.read(file, folder)
        _fits(manifest, folder)
        _may_replace(home, folder, replace=replace)
        aside = _put_aside(home)
        for name in manifest["files"]:
            (folder / name).replace(home / name)
        _sync(home)
    print(f"{', '.join(manifest['files'])} of {str(manifest.get('made_at'))[:16]} UTC are in {home}.")
    if aside is not None:
        print(f"What was there before is in {aside}.")
    _finish(file.name, manifest, same_accounts=same_accounts)


def _fits(manifest: dict[str, Any], folder: Path) -> None:
    """End the command where the backup is for another kind of database, of a later release, or has the wrong key."""
    kind = "sqlite" if ready.on_sqlite() else "postgresql"
    if manifest.get("database") != kind:
        text = (
            f"This backup is of an installation on {manifest.get('database')}, and CHANCERY_DATABASE_URL says {kind}."
        )
        stop(text, "Set CHANCERY_DATABASE_URL as it was there. Nothing was changed.")
    kek = folder / "kek"
    if kek.exists() and kek.stat().st_size != _KEY:
        stop(f"The key in this backup has {kek.stat().st_size} bytes instead of {_KEY}.", "Nothing was changed.")
    if ready.on_sqlite():
        _fits_release(folder / ready.DATABASE, manifest)


def _fits_release(database: Path, manifest: dict[str, Any]) -> None:
    if not database.exists():
        stop("There is no database in this backup.", "Nothing was changed. Take another backup.")
    try:
        with closing(sqlite3.connect(database)) as copy:
            found = copy.execute("PRAGMA quick_check").fetchone()[0]
            done = set(copy.execute("SELECT app, name FROM django_migrations"))
    except sqlite3.DatabaseError as error:
        found, done = str(error), set()
    if found != "ok":
        stop(f"The database in this backup is damaged: {found}.", "Nothing was changed. Take another backup.")
    known = {(p.parts[-3], p.stem) for p in _OURS.glob("*/migrations/0*.py")}
    later = sorted(name for app, name in done if (_OURS / app).is_dir() and (app, name) not in known)
    if later:
        text = f"This backup is of a later release ({manifest.get('release')}): it has changes that are not known here."
        stop(text, f"Install that release first. Nothing was changed. (First of them: {later[0]})")


def _may_replace(home: Path, folder: Path, *, replace: bool) -> None:
    database = home / ready.DATABASE
    if ready.on_sqlite():
        if (people := _people(database)) and not replace:
            text = f"{home} is in use: its database knows {people} {'person' if people == 1 else 'people'}."
            stop(text, "Give --replace to put it aside and take the backup's place. Nothing was changed.")
        _alone(database)
        return
    for name in archive.KEYS:
        ours, theirs = home / name, folder / name
        differs = ours.exists() and theirs.exists() and ours.read_bytes() != theirs.read_bytes()
        if differs and not replace:
            stop(f"{ours} is another key than the backup's.", "Give --replace to put it aside. Nothing was changed.")


def _people(database: Path) -> int:
    """Return how many people a database has; one too damaged to say is put aside and not lost."""
    if not database.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as live:
            return int(live.execute("SELECT COUNT(*) FROM accounts_user").fetchone()[0])
    except sqlite3.DatabaseError:
        return 0


def _alone(database: Path) -> None:
    """End the command where another process has the database open: what it writes then would be lost."""
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as live:
            # Leaving the write-ahead log needs the file to itself, and brings everything into that one file.
            found = live.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    except sqlite3.OperationalError:
        found = "locked"
    except sqlite3.DatabaseError:
        found = "delete"
    if found != "delete":
        stop(f"{database} is in use.", "Stop `chancery serve` and `chancery worker` first. Nothing was changed.")


def _put_aside(home: Path) -> Path | None:
    """Move what a backup replaces into a folder of its own, and return that."""
    names = archive.KEYS if not ready.on_sqlite() else archive.NAMES
    logs = [f"{ready.DATABASE}{end}" for end in ("-wal", "-shm", "-journal")]
    there = [home / name for name in (*names, *logs) if (home / name).exists()]
    if not there:
        return None
    aside = home / f"before-restore-{SYSTEM_CLOCK.now():%Y%m%d-%H%M%S}"
    aside.mkdir(mode=0o700)
    for path in there:
        path.replace(aside / path.name)
    return aside


@contextmanager
def _no_worker(home: Path) -> Iterator[None]:
    """Hold the lock that a worker on SQLite holds, or end the command where one does."""
    with (home / "worker.lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            stop("A worker is running on this home.", "Stop it, and `chancery serve` too. Nothing was changed.")
        yield


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _finish(name: str, manifest: dict[str, Any], *, same_accounts: bool) -> None:
    if not ready.on_sqlite():
        hint(
            "Now restore the database with pg_restore, then run `chancery migrate`, `chancery audit restored` and"
            " `chancery doctor`."
        )
        return
    import django

    django.setup()
    from chancery.apps.audit import occasions
    from chancery.apps.shared import tables
    from chancery.apps.shared.actor import host_actor

    tables.up_to_date()

    _, found = put_back(same_accounts=same_accounts)
    print(sentence(found))
    detail = {name: str(manifest.get(name)) for name in ("made_at", "release")}
    occasions.note(host_actor(ready.operator()), "host.restore", "backup", name, detail)
    hint(f"Run `chancery doctor` to see that all is well, then start server and worker. {NEXT}")
