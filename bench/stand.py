"""A throw-away installation to measure: its home, its people, its connector, its processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from bench import cpu

PROFILE = "Bench"
LISTEN = "127.0.0.1:18719"
USER, PASSWORD = "admin", "bench bench bench"


@contextmanager
def installation() -> Iterator[Path]:
    """Make a home on a real disk (a memory file system would make commits free), and the first rows in it."""
    home = Path(tempfile.mkdtemp(prefix="chancery-bench-", dir="/var/tmp"))
    os.environ["CHANCERY_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
    try:
        _prepare()
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _prepare() -> None:
    import django

    django.setup()
    from chancery.apps.accounts import actions, start
    from chancery.apps.accounts.models import User
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.profiles import actions as profiles
    from chancery.apps.shared import tables

    tables.up_to_date()

    actor = host()
    start.first_administrator(actor, USER)
    user = User.objects.get(username=USER)
    user.must_change_password = False
    user.set_password(PASSWORD)
    user.save()
    del actions
    connectors.create(actor, "local", {"name": "Bench CA", "team": "Operations", "environment": "Production"})
    profiles.create(actor, {"name": PROFILE, "connector": "Bench CA", "validity_days": 30})


def host() -> Any:
    """Return the actor of whoever sits at the machine."""
    from chancery.apps.shared.actor import host_actor

    return host_actor("bench")


def token() -> str:
    """Return an API token of the administrator."""
    from chancery.apps.accounts import actions, queries
    from chancery.apps.accounts.models import User

    actor = queries.actor_of(User.objects.get(username=USER), how="bench")
    return str(actions.create_token(actor, "bench", 1)[1])


@contextmanager
def process(*arguments: str, module: str = "chancery") -> Iterator[subprocess.Popen[bytes]]:
    """Run one of Chancery's commands as a child that ends with the block."""
    # What they say goes past the result.
    command = [sys.executable, "-m", module, *arguments]
    started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(40)
        except subprocess.TimeoutExpired:
            started.kill()


@contextmanager
def server(listen: str = LISTEN) -> Iterator[subprocess.Popen[bytes]]:
    """Run the web server at an address; it ends with this process, however that ends."""
    with process("serve", "--listen", listen, "--with-parent", str(os.getpid())) as started:
        wait(lambda: _answers(listen), 30)
        yield started


def _answers(listen: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{listen}/api/v1/health", timeout=2):
            return True
    except OSError:
        return False


def wait(ready: Callable[[], bool], seconds: float, step: float = 0.05) -> None:
    """Wait until `ready` says so; raise when it does not in time."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not get there in time")
        time.sleep(step)


class Stored:
    """Counts stored certificates; looks only at those that are new, so that counting costs nothing to speak of."""

    def __init__(self) -> None:
        self._seen, self._last, self._lock = 0, None, threading.Lock()

    def __call__(self) -> int:
        """Return how many there are now."""
        from chancery.apps.certificates.models import Certificate

        with self._lock:
            rows = Certificate.objects.order_by("pk")
            fresh = list((rows.filter(pk__gt=self._last) if self._last else rows).values_list("pk", flat=True))
            self._seen, self._last = self._seen + len(fresh), fresh[-1] if fresh else self._last
            return self._seen


@contextmanager
def fresh_database(name: str) -> Iterator[str]:
    """Make an empty database beside the one that is measured, and give its URL; '' for SQLite, which has none to share."""
    url = urlsplit(os.environ.get("CHANCERY_DATABASE_URL", ""))
    if not url.scheme:
        yield ""
        return
    where = ["-h", parse_qs(url.query)["host"][0], "-U", url.username or ""]
    subprocess.run(["createdb", *where, name], check=True)
    try:
        yield urlunsplit(url._replace(path=f"/{name}"))
    finally:
        subprocess.run(["dropdb", "--force", *where, name], check=True)


def database() -> str:
    """Return which database is measured."""
    return "postgresql" if os.environ.get("CHANCERY_DATABASE_URL") else "sqlite"


def postmaster() -> int:
    """Return the process id of the database server; 0 for SQLite, which has none."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cpu.parent(int(cursor.fetchone()[0]))
