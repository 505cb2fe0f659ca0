"""The command `doctor`: looks at an installation and changes nothing."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from chancery.core.errors import ChanceryError
from chancery.doors.cli import ready
from chancery.doors.cli.output import Exit, Json, plain

_LEAST_FREE = 500 * 1024 * 1024
"""Bytes: below that a busy day of orders may fill the disk."""
_APART = timedelta(seconds=5)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `remedy` says what to do where it is not well."""

    name: str
    ok: bool
    text: str
    remedy: str = ""


def doctor(as_json: Json = False) -> None:
    """Say whether home, keys, database, tables, clock, disk and worker are in order; changes nothing."""
    ready.look_only()
    checks = list(_look())
    well = all(c.ok for c in checks)
    if as_json:
        print(json.dumps({"ok": well, "checks": [asdict(c) for c in checks]}, indent=2))
    else:
        for check in checks:
            print(f"{check.name:<12}{'ok' if check.ok else 'WRONG'}: {plain(check.text)}")
            if not check.ok:
                print(f"{'':<12}{plain(check.remedy)}")
    sys.exit(Exit.DONE if well else Exit.REFUSED)


def _look() -> Iterator[Check]:
    yield from _home(ready.home())
    problem = ready.nothing_there()
    if problem:
        yield Check("database", False, *problem)
        return
    import django

    django.setup()
    problem = ready.tables_missing()
    yield Check("database", problem is None, *(problem or (f"{_where()} answers and has every table.",)))
    if problem is None:
        yield _key()
        yield from _record()
        yield _clock()
        yield _worker()
        yield _nodes()


def _home(home: Path) -> Iterator[Check]:
    if not home.is_dir():
        yield Check("home", False, f"There is no folder {home}.", "Run `chancery init`, or set CHANCERY_HOME.")
        return
    yield _private("home", home, 0o700)
    for name in ("secret-key", "kek", "audit-key"):
        if (home / name).exists():
            yield _private(name, home / name, 0o600)
        elif name == "secret-key":
            remedy = "Copy it from another node, or run `chancery init`, which makes it."
            yield Check(name, False, f"There is no {home / name}.", remedy)
    free = shutil.disk_usage(home).free
    text = f"{free / 1024**3:.1f} GiB are free for {home}."
    well = free >= _LEAST_FREE
    yield Check("disk", well, text, "" if well else "Make room before it is full: then nothing can be recorded.")


def _private(name: str, path: Path, mode: int) -> Check:
    found = stat.S_IMODE(path.stat().st_mode)
    well = not found & 0o077
    text = f"{path} has mode {found:04o}{'' if well else ', so others on this machine can get at it'}."
    return Check(name, well, text, "" if well else f"Run `chmod {mode:o} {path}`.")


def _where() -> str:
    from django.db import connection

    given = connection.settings_dict
    return str(given["NAME"]) if connection.vendor == "sqlite" else f"{connection.vendor} ({given['NAME']})"


def _key() -> Check:
    from chancery.apps.connectors import ring, sealing

    try:
        sealing.check()
        present = sealing.key_id()
    except ChanceryError as error:
        return Check("key file", False, str(error), error.remedy)
    found = sealing.sealed_with()
    where = f"{ring.store_name()}, key {present}"
    under = f"{found.get(present, 0)} of {found.total()} secrets are sealed with it"
    return Check("key file", True, f"{where}: {under}." if present else "None is needed yet: nothing is sealed.")


def _record() -> Iterator[Check]:
    """Say whether the record's key and places outside are well; `audit verify` reads the record itself."""
    from chancery.apps.audit import anchors, signing
    from chancery.apps.audit.models import Log

    about = Log.objects.first()
    if about is not None and about.key:
        try:
            signing.signer(about)
        except ChanceryError as error:
            yield Check("record key", False, str(error), error.remedy)
        else:
            yield Check("record key", True, f"It signs as {about.name}.")
    for anchor in anchors.states():
        text = f"{anchor.place} has the record up to {anchor.size} entries."
        wrong = f"{anchor.place} is not reached: {anchor.error}"
        yield Check("anchor", not anchor.failures, wrong if anchor.failures else text, "Mend the way to it.")


def _clock() -> Check:
    from django.db import connection

    from chancery.apps.audit.models import Entry
    from chancery.apps.shared.action import current_clock

    with connection.cursor() as cursor:
        # SQLite's clock is this machine's own.
        cursor.execute("SELECT CURRENT_TIMESTAMP")
        theirs = cursor.fetchone()[0]
    now = current_clock().now()
    newest = Entry.objects.order_by("-id").values_list("at", flat=True).first()
    if newest is not None and newest > now + _APART:
        return _set(
            f"It says {now:%Y-%m-%d %H:%M:%S}, and the newest entry of the record is of {newest:%Y-%m-%d %H:%M:%S} UTC."
        )
    if connection.vendor == "postgresql" and abs(theirs - now) > _APART:
        return _set(f"It is {abs(theirs - now).total_seconds():.0f} seconds from the database server's.")
    return Check("clock", True, f"It is {now:%Y-%m-%d %H:%M:%S} UTC.")


def _set(text: str) -> Check:
    return Check("clock", False, text, "Let the machines keep time (NTP): leases and validity depend on it.")


def _worker() -> Check:
    from chancery.apps.connectors import queries
    from chancery.apps.shared.action import current_clock

    alive = queries.worker_alive(current_clock().now())
    if alive:
        return Check("worker", True, "One gave a sign of life within five seconds.")
    return Check("worker", False, "None is running: nothing reaches the CAs.", "Start one with `chancery worker`.")


def _nodes() -> Check:
    """Say which processes there are; during an upgrade they are of two releases, afterwards they should not be."""
    from chancery.apps.health import nodes
    from chancery.apps.shared.action import current_clock

    now = current_clock().now()
    found = [node for node in nodes.listing(now) if node.alive]
    said = "; ".join(
        f"{node.name} ({node.kind}, {node.version or 'an older release'}, since {node.started_at:%Y-%m-%d %H:%M},"
        f" seen {max((now - node.seen_at).total_seconds(), 0):.0f} s ago{', leads' if node.leads else ''})"
        for node in found
    )
    if len({node.version for node in found}) > 1:
        return Check(
            "nodes", False, f"They are of several releases: {said}.", "Finish the upgrade: restart the old ones."
        )
    return Check("nodes", True, f"{said}." if said else "None is running.")
