"""Commands that run on the host, on the database itself."""

from __future__ import annotations

import re
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from chancery.doors.cli import ready
from chancery.doors.cli.backup import backup
from chancery.doors.cli.doctor import doctor
from chancery.doors.cli.keyring import keys
from chancery.doors.cli.restore import restore
from chancery.doors.cli.users import users


def add(app: typer.Typer) -> None:
    """Register the host commands."""
    for command in (init, serve, worker, demo, migrate, backup, restore, doctor):
        app.command()(command)
    app.add_typer(users, name="users")
    app.add_typer(keys, name="keys")


def setup() -> None:
    """Make Django ready; host commands need the tables."""
    import django

    django.setup()


def migrate() -> None:
    """Bring the database to this release's schema."""
    setup()
    _up_to_date()
    print("The database is up to date.")


def _up_to_date() -> None:
    """Bring the database to this release's schema; of several nodes that start together one does it, the others wait."""
    from chancery.apps.shared import tables

    with ready.alone():
        tables.up_to_date()


def init(username: Annotated[str, typer.Option(help="Login name of the first administrator.")] = "admin") -> None:
    """Create the tables, a team, an environment and the first administrator."""
    setup()
    from chancery.apps.accounts import start
    from chancery.apps.shared.actor import host_actor

    _up_to_date()
    password = start.first_administrator(host_actor(ready.operator()), username)
    if password is None:
        print("There are people already; nothing was changed.")
        return
    print(f"Log in as {username} with the one-time password {password}")


def listened(text: str) -> tuple[str, int]:
    """Return address and port of `127.0.0.1:8000`, `:8000` or `8000`; anything else ends with a sentence."""
    address, _, port = text.rpartition(":")
    if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise SystemExit(f"--listen or CHANCERY_LISTEN: {text!r} names no port from 1 to 65535; write 127.0.0.1:8000.")
    return address or "127.0.0.1", int(port)


Parent = Annotated[
    int, typer.Option(min=0, metavar="PID", help="End when this process, which started the command, is gone.")
]


def serve(
    listen: Annotated[str, typer.Option(help="Address and port; the default is CHANCERY_LISTEN.")] = "",
    threads: Annotated[int, typer.Option(min=1, max=64, help="Requests that each process answers at once.")] = 32,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that serve; see docs/running.md before you want more.")
    ] = 1,
    with_parent: Parent = 0,
    ready_file: Annotated[Path | None, typer.Option(help="Write the process id there once the port is ours.")] = None,
) -> None:
    """Serve the console and the API."""
    setup()
    from django.conf import settings

    from chancery.doors.cli import serving

    address, port = listened(listen or settings.ENVIRONMENT.listen)
    _up_to_date()
    ready.key_file()
    level = settings.ENVIRONMENT.log_level
    serving.run(address, port, threads, processes=processes, log_level=level, parent=with_parent, ready=ready_file)


def worker(
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that sign for local CAs.")] = 2,
    with_parent: Parent = 0,
) -> None:
    """Run a worker: it is what talks to the CAs."""
    ready.begin()
    ready.key_file()
    from chancery.apps.shared.settling import settle
    from chancery.doors.cli.parent import follow
    from chancery.engine.worker import run

    settle()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if with_parent:
        follow(with_parent, stop.set)
    run(stop, processes=processes)


def demo(
    *,
    check: Annotated[bool, typer.Option(help="Run unattended in a throw-away home and judge by the ledger.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: one JSON document.")] = False,
    listen: Annotated[str, typer.Option(help="Address and port of the console.")] = "127.0.0.1:8140",
) -> None:
    """Start sandbox, server and worker, make connectors, order certificates, show the address."""
    from importlib import import_module

    # By name: what serves for real must not depend on the sandbox.
    run = import_module("chancery.demo.run")
    sys.exit(run.check(as_json=as_json) if check else run.show(*listened(listen)))
