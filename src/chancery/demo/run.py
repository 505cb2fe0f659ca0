"""`chancery demo`: the whole product on this machine; `--check`: the same, unattended and judged."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chancery import catalog
from chancery.demo import acme, web
from chancery.demo import check as judging
from chancery.demo.children import Children, Ended
from chancery.demo.prepare import prepare
from chancery.demo.requests import request, wanted
from chancery.demo.sandbox import Where, ask
from chancery.net import listening

_START = 120.0
"""Seconds for a process to answer: a second where nothing else runs, and a minute was seen where much did."""
_EVERY = 0.5
_SERVER = "Starting the server"
_EXAMPLE = '{"needs_approval": true}'


def show(address: str, port: int) -> int:
    """Start everything, order through every connector, and stay until told to stop."""
    home = own_home()
    try:
        with _everything(home, address, port) as (children, where, url, ready):
            _say("Making connectors at them, and one that needs nothing outside")
            password = prepare(home, where)
            children.wait(ready, _START, _SERVER)
            _say("Ordering certificates through each")
            _order(where, 5)
            _tell(url, password, where, [web.serve(children, home, url), acme.offered(home, url)])
            while True:
                time.sleep(_EVERY)
                children.look()
    except Ended as ended:
        print(f"chancery: {ended}\n          {ended.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


def own_home() -> Path:
    """Return the demo's home, made where there is none; as every home with keys in it, it is nobody else's to read."""
    home = Path(os.environ.setdefault("CHANCERY_HOME", str(Path("~/.chancery-demo").expanduser())))
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def check(*, as_json: bool) -> int:
    """Run unattended in a throw-away home, and print one line for each connector; 0 only if all is well."""
    with tempfile.TemporaryDirectory(prefix="chancery-check-") as folder:
        os.environ["CHANCERY_HOME"] = folder
        os.environ.pop("CHANCERY_DATABASE_URL", None)
        try:
            with _everything(Path(folder), "127.0.0.1", listening.free_port()) as (children, where, url, ready):
                prepare(Path(folder), where)
                children.wait(ready, _START, _SERVER)
                rows = judging.outage(children, where, url)
        except (Ended, OSError) as error:
            print(f"chancery: {error}", file=sys.stderr)
            return 1
    good = all(judging.well(row) for row in rows)
    if as_json:
        print(json.dumps({"ok": good, "connectors": rows}))
    else:
        print(*(judging.line(row) for row in rows), sep="\n")
    return 0 if good else 1


def _say(step: str) -> None:
    """Say what takes a while; not where the findings are printed."""
    print(f"{step} …", file=sys.stderr, flush=True)


def _tell(url: str, password: str | None, where: Where, shown: list[str]) -> None:
    known = f"one-time password {password}" if password else "with the password you chose before"
    print(f"\n  Chancery is at  {url}/\n  Log in as       admin, {known}")
    for name, one in where.items():
        print(f"\n  {catalog.get(name).title}, simulated")
        print(f"    take it down   curl -X POST {one['control']}/down")
        print(f"    bring it back  curl -X POST {one['control']}/up")
        print(f"    make it awkward: curl {one['control']}/dials shows what there is; turn one with")
        print(f"                   curl -X PUT -d '{_EXAMPLE}' {one['control']}/dials")
    for more in shown:
        print(f"\n  {more}")
    print("\n  Stop            Ctrl-C", flush=True)


def _order(where: Where, number: int) -> None:
    from chancery.apps.orders.place import PlaceOrder, place_many
    from chancery.apps.profiles.models import Profile
    from chancery.apps.shared.actor import host_actor
    from chancery.core.errors import ChanceryError

    # Somebody who tries the demo may have deleted a profile, or changed what it allows.
    there = set(Profile.objects.filter(deleted_at=None).values_list("name", flat=True))
    for profile, names, key in [one for one in wanted(where) if one[0] in there]:
        asks = [PlaceOrder(profile, request(names, key)) for _ in range(number)]
        refused = [r for r in place_many(host_actor("demo"), asks) if isinstance(r, ChanceryError)]
        if refused:
            print(f"  The profile {profile!r} takes no order of the demo any more: {refused[0]}")


@contextmanager
def _everything(home: Path, address: str, port: int) -> Iterator[tuple[Children, Where, str, Callable[[], bool]]]:
    """Run sandbox, worker and server as children; they end with this block, also on SIGTERM.

    The last one says whether the server answers yet: there is something to do meanwhile.
    """
    _may_listen(address, port)
    os.environ.setdefault("CHANCERY_LOG_LEVEL", "WARNING")
    os.environ.setdefault("CHANCERY_ACME_URL", f"http://{address}:{port}")
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    children = Children()
    try:
        with _only_one(home):
            where = _sandbox(children, home)
            children.start("worker", "chancery", "worker", again=True)
            ready = _server(children, home, address, port)
            yield children, where, f"http://{address}:{port}", ready
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        children.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _may_listen(address: str, port: int) -> None:
    try:
        obstacle = listening.obstacle(listening.resolved(address), port)
    except OSError:
        obstacle = ("this machine has no such address", "127.0.0.1 is one that it has.")
    if obstacle is not None:
        raise Ended(f"{address}:{port} cannot be served: {obstacle[0]}.", f"{obstacle[1]} --listen takes another.")


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Keep a second demo out of this home: it would lead the connectors away to simulators of its own."""
    with (home / "demo.lock").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            text = f"A demo runs already with the home folder {home}."
            raise Ended(text, "Use that one, stop it, or set CHANCERY_HOME to another folder.") from None
        yield


def _interrupt(number: int, _frame: Any) -> None:
    """End as Ctrl-C does: through every `finally`."""
    raise KeyboardInterrupt(number)


def _sandbox(children: Children, home: Path) -> Where:
    import django

    ports = home / "sandbox.json"
    ports.unlink(missing_ok=True)
    _say("Making the tables and starting the simulated CAs")
    children.start("sandbox with the simulated CAs", "chancery.sandbox", "--port-file", str(ports))
    django.setup()
    from chancery.apps.shared import tables

    tables.up_to_date()
    children.wait(ports.exists, _START, "Starting the simulated CAs")
    where: Where = json.loads(ports.read_text(encoding="utf-8"))["simulators"]
    return where


def _server(children: Children, home: Path, address: str, port: int) -> Callable[[], bool]:
    """Start the server; return what says whether it answers: it, not whoever else may have the port."""
    ready = home / "serve.pid"
    ready.unlink(missing_ok=True)
    arguments = ("chancery", "serve", "--listen", f"{address}:{port}", "--ready-file", str(ready))
    pid = str(children.start("server", *arguments, again=True))
    url = f"http://{address}:{port}"
    return lambda: _says(ready) == pid and _answers(url)


def _says(file: Path) -> str:
    return file.read_text(encoding="ascii") if file.exists() else ""


def _answers(url: str) -> bool:
    try:
        ask(f"{url}/api/v1/health")
    except OSError:
        return False
    return True
