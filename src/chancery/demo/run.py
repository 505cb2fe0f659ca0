"""`chancery demo`: the whole product on this machine; `--check`: the same, unattended and judged."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ORDERS = 20
LOCAL = ("Local CA", "Internal TLS")
"""Connector and profile of the CA that needs nothing outside."""
_START = 30.0
_DONE = 40.0


def show(listen: str) -> int:
    """Start everything, order through every connector, and stay until Ctrl-C."""
    home = Path(os.environ.setdefault("CHANCERY_HOME", str(Path("~/.chancery-demo").expanduser())))
    home.mkdir(parents=True, exist_ok=True)
    with _processes(home, listen) as where:
        password = _prepare(where)
        _order_some(where, 5)
        print()
        print(f"  Chancery is at  http://{listen}/")
        if password:
            print(f"  Log in as       admin, one-time password {password}")
        else:
            print("  Log in as       admin, with the password you chose before")
        for name, one in where.items():
            print(f"  Simulated CA    {name}: {one['url']} (faults: PUT {one['control']}/dials)")
        print("  Stop            Ctrl-C")
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("\nStopping.")
    return 0


def check(*, as_json: bool) -> int:
    """Take the simulated CAs down while orders arrive, bring them back, and judge by their ledgers."""
    with tempfile.TemporaryDirectory(prefix="chancery-check-") as folder:
        os.environ["CHANCERY_HOME"] = folder
        os.environ.pop("CHANCERY_DATABASE_URL", None)
        with _processes(Path(folder), None) as where:
            _prepare(where)
            rows = _outage(where)
    good = all(r["issued"] == ORDERS and not r["unknown"] and not r["lost"] and not r["doubled"] for r in rows)
    if as_json:
        print(json.dumps({"ok": good, "connectors": rows}))
    else:
        for row in rows:
            name, *figures = row.values()
            print(f"{name}: " + ", ".join(f"{k} {v}" for k, v in zip(list(row)[1:], figures, strict=True)))
    return 0 if good else 1


def _outage(where: dict[str, Any]) -> list[dict[str, Any]]:
    from chancery.apps.connectors.models import Connector

    for one in where.values():
        _control(one["control"], "POST", "/down")
    _order_some(where, ORDERS)
    connectors = list(Connector.objects.filter(deleted_at=None).order_by("authority", "name"))
    _wait(lambda: all(_count(c, "issued") == ORDERS for c in connectors if c.authority not in where), 20.0)
    time.sleep(1.0)
    held = {connector.pk: ORDERS - _count(connector, "issued") for connector in connectors}
    for one in where.values():
        _control(one["control"], "POST", "/up")
    _wait(lambda: all(_count(c, "issued") == ORDERS for c in connectors), _DONE)
    ledgers = {name: _control(one["control"], "GET", "/ledger")["lines"] for name, one in where.items()}
    return [_judge(c, held[c.pk], ledgers.get(c.authority)) for c in connectors]


def _judge(connector: Any, held: int, ledger: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Say how a connector's orders stand; `ledger` is the CA's own, None where the CA is Chancery itself."""
    from chancery.apps.orders.models import Order

    orders = {
        str(pk): hashlib.sha256(bytes(csr)).hexdigest()
        for pk, csr in Order.objects.filter(connector=connector).values_list("pk", "csr")
    }
    issued, unknown = _count(connector, "issued"), _count(connector, "outcome_unknown")
    ended = sum(_count(connector, state) for state in ("failed", "rejected", "cancelled", "denied"))
    paid = {ident: _ordered(ledger or [], ident, csr) for ident, csr in orders.items()}
    lost = ORDERS - len(orders) + ended
    if ledger is not None:
        lost += max(0, issued - sum(1 for times in paid.values() if times))
    return {
        "connector": connector.name,
        "issued": issued,
        "held": held,
        "unknown": unknown,
        "lost": lost,
        "doubled": sum(1 for times in paid.values() if times > 1),
    }


def _ordered(ledger: list[dict[str, Any]], ident: str, csr_sha256: str) -> int:
    """Count the orders at the CA that are this one: by our reference, or by the request where the CA keeps none."""
    lines = [line for line in ledger if line["kind"] == "order"]
    return sum(line["reference"].endswith(ident) or line["csr_sha256"] == csr_sha256 for line in lines)


def _count(connector: Any, state: str) -> int:
    from chancery.apps.orders.models import Order

    return Order.objects.filter(connector=connector, state=state).count()


def _prepare(where: dict[str, Any]) -> str | None:
    """Make people, connectors and profiles, unless a run before did; returns the one-time password."""
    from chancery.apps.accounts import start
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.connectors.models import Connector
    from chancery.apps.profiles import actions as profiles
    from chancery.apps.shared.actor import host_actor

    actor = host_actor("demo")
    password = start.first_administrator(actor, "admin")
    common = {"team": "Operations", "environment": "Production"}
    if not Connector.objects.filter(authority="local").exists():
        connectors.create(actor, "local", {"name": LOCAL[0], **common})
        profiles.create(actor, {"name": LOCAL[1], "connector": LOCAL[0], "validity_days": 90, "wildcard": True})
    for authority, example in _examples(where):
        values = {
            "name": example["connector"],
            "base_url": example["base_url"] or where[authority]["url"],
            "allowed_networks": "127.0.0.0/8",
            **example["settings"],
            **common,
        }
        rows = Connector.objects.filter(authority=authority, name=values["name"])
        before = rows.filter(deleted_at=None).first()
        if before is not None:
            connectors.edit(actor, before.pk, before.revision, values)
        elif not rows.exists():
            connectors.create(actor, authority, values)
            days, product = example["validity_days"], example["product"]
            about = {"name": example["profile"], "connector": values["name"], "validity_days": days, "product": product}
            profiles.create(actor, about)
    return password


def _examples(where: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, example) for name, one in where.items() for example in one["examples"]]


def _order_some(where: dict[str, Any], number: int) -> None:
    from chancery.apps.orders.place import PlaceOrder, place_many
    from chancery.apps.profiles.models import Profile
    from chancery.apps.shared.actor import host_actor
    from chancery.core.errors import ChanceryError

    asked = [(LOCAL[1], ["www-{n}.example.com"], "EC-P256")]
    asked += [(e["profile"], e["names"], e["key"]) for _, e in _examples(where)]
    # Somebody who tries the demo may have deleted a profile.
    there = set(Profile.objects.values_list("name", flat=True))
    for profile, names, key in [ask for ask in asked if ask[0] in there]:
        for result in place_many(
            host_actor("demo"), [PlaceOrder(profile, _request(names, key)) for _ in range(number)]
        ):
            if isinstance(result, ChanceryError):
                raise result


def _request(names: list[str], key: str) -> bytes:
    """Return a request; the demo plays the subscriber here: these keys stand for ones on the subscriber's hosts."""
    from chancery.core import csr, keys
    from chancery.core.names import parse_name

    word = secrets.token_hex(3)
    hosts = [name.format(n=word) for name in names]
    return csr.build(keys.generate(key), [parse_name(host) for host in hosts], hosts[0])


@contextmanager
def _processes(home: Path, listen: str | None) -> Iterator[dict[str, Any]]:
    """Run sandbox, worker and (with `listen`) server as children; they end with this block."""
    import django
    from django.core.management import call_command

    started: list[subprocess.Popen[bytes]] = []
    port_file = home / "sandbox.json"
    port_file.unlink(missing_ok=True)
    try:
        started.append(_start("-m", "chancery.sandbox", "--port-file", str(port_file), f"--with-parent={os.getpid()}"))
        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        _wait(port_file.exists, _START)
        where: dict[str, Any] = json.loads(port_file.read_text(encoding="utf-8"))["simulators"]
        started.append(_start("-m", "chancery", "worker"))
        if listen:
            started.append(_start("-m", "chancery", "serve", "--listen", listen))
            _wait(lambda: _answers(listen), _START)
        yield where
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *arguments], stdin=subprocess.DEVNULL)


def _answers(listen: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{listen}/api/v1/health", timeout=2):
            return True
    except OSError:
        return False


def _control(url: str, method: str, path: str) -> Any:
    request = urllib.request.Request(f"{url}{path}", method=method)  # noqa: S310  our own loopback address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  our own loopback address
        return json.loads(answer.read())


def _wait(ready: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.1)
