"""`chancery demo`: the whole product on this machine; `--check`: the same, unattended and judged."""

from __future__ import annotations

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
_START = 30.0
_DONE = 40.0


def show(listen: str) -> int:
    """Start everything, order through both connectors, and stay until Ctrl-C."""
    home = Path(os.environ.setdefault("CHANCERY_HOME", str(Path("~/.chancery-demo").expanduser())))
    home.mkdir(parents=True, exist_ok=True)
    with _processes(home, listen) as where:
        people = _prepare(where)
        _order_some(5)
        print()
        print(f"  Chancery is at  http://{listen}/")
        if people:
            print(f"  Log in as       admin, one-time password {people}")
        else:
            print("  Log in as       admin, with the password you chose before")
        print(f"  Simulated CA    {where['digicert']['url']} (faults: PUT {where['digicert']['control']}/dials)")
        print("  Stop            Ctrl-C")
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("\nStopping.")
    return 0


def check(*, as_json: bool) -> int:
    """Take the simulated CA down while orders arrive, bring it back, and judge by its ledger."""
    with tempfile.TemporaryDirectory(prefix="chancery-check-") as folder:
        os.environ["CHANCERY_HOME"] = folder
        os.environ.pop("CHANCERY_DATABASE_URL", None)
        with _processes(Path(folder), None) as where:
            _prepare(where)
            rows = _outage(where["digicert"]["control"])
    good = all(r["issued"] == ORDERS and not r["unknown"] and not r["lost"] and not r["doubled"] for r in rows)
    if as_json:
        print(json.dumps({"ok": good, "connectors": rows}))
    else:
        for row in rows:
            name, *figures = row.values()
            print(f"{name}: " + ", ".join(f"{k} {v}" for k, v in zip(list(row)[1:], figures, strict=True)))
    return 0 if good else 1


def _outage(control: str) -> list[dict[str, Any]]:
    from chancery.apps.connectors.models import Connector

    _control(control, "POST", "/down")
    _order_some(ORDERS)
    connectors = list(Connector.objects.filter(deleted_at=None).order_by("authority"))
    held = {c.pk: 0 for c in connectors}
    _wait(lambda: _count(connectors[-1], "issued") == ORDERS, 20.0)
    time.sleep(1.0)
    for connector in connectors:
        held[connector.pk] = ORDERS - _count(connector, "issued")
    _control(control, "POST", "/up")
    _wait(lambda: all(_count(c, "issued") == ORDERS for c in connectors), _DONE)
    ledger = _control(control, "GET", "/ledger")["lines"]
    return [_judge(c, held[c.pk], ledger) for c in connectors]


def _judge(connector: Any, held: int, ledger: list[dict[str, Any]]) -> dict[str, Any]:
    from chancery.apps.orders.models import Order

    orders = [str(pk) for pk in Order.objects.filter(connector=connector).values_list("pk", flat=True)]
    issued, unknown = _count(connector, "issued"), _count(connector, "outcome_unknown")
    paid = [line["reference"].rpartition(":")[2] for line in ledger if line["kind"] == "order"]
    doubled = sum(1 for ident in orders if paid.count(ident) > 1)
    ended = sum(_count(connector, state) for state in ("failed", "rejected", "cancelled", "denied"))
    lost = ORDERS - len(orders) + ended
    if connector.authority == "digicert":
        lost += max(0, issued - sum(1 for ident in orders if ident in paid))
    return {
        "connector": connector.name,
        "issued": issued,
        "held": held,
        "unknown": unknown,
        "lost": lost,
        "doubled": doubled,
    }


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
    account = where["digicert"]["credentials"]
    values = {
        "name": "DigiCert (simulated)",
        "base_url": where["digicert"]["url"],
        "allowed_networks": "127.0.0.0/8",
        "api_key": account["api_key"],
        "reference_field_id": account["reference_field_id"],
        "skip_approval": True,
        **common,
    }
    before = Connector.objects.filter(deleted_at=None, authority="digicert", name=values["name"]).first()
    if before is not None:
        connectors.edit(actor, before.pk, before.revision, values)
        return password
    connectors.create(actor, "digicert", values)
    connectors.create(actor, "local", {"name": "Local CA", **common})
    product = {"product": "ssl_basic", "organization_id": account["organization_id"]}
    profiles.create(
        actor, {"name": "Public TLS (simulated)", "connector": values["name"], "validity_days": 90, "product": product}
    )
    profiles.create(actor, {"name": "Internal TLS", "connector": "Local CA", "validity_days": 90, "wildcard": True})
    return password


def _order_some(number: int) -> None:
    from chancery.apps.orders.place import PlaceOrder, place_many
    from chancery.apps.shared.actor import host_actor
    from chancery.core import csr, keys
    from chancery.core.errors import ChanceryError
    from chancery.core.names import parse_name

    for profile in ("Public TLS (simulated)", "Internal TLS"):
        asks = []
        for _ in range(number):
            # The demo plays the subscriber here: these keys stand for ones on the subscriber's hosts.
            host = f"www-{secrets.token_hex(3)}.example.com"
            asks.append(PlaceOrder(profile, csr.build(keys.generate("EC-P256"), [parse_name(host)], host)))
        for result in place_many(host_actor("demo"), asks):
            if isinstance(result, ChanceryError):
                raise result


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
