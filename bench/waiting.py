"""(f) Orders that wait over an outage: how fast they are listed, how long they take to drain, how much memory the worker needs.

A tenth of the orders goes first. What grows more than in proportion, or memory that grows with the queue, shows then.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from bench import ca, client, figures, requests, stand

_MOST = 100_000
_BATCH = 500
_LISTED = 20
_LONGEST = 4 * 3600.0
_NOTICED = 60.0


def run(seconds: float) -> dict[str, Any]:
    """Return the figures of a small and a ten times larger queue; with 60 seconds asked for, 10 000 and 100 000 orders."""
    most = min(_MOST, int(_MOST * seconds / 60) // _BATCH * _BATCH)
    with stand.installation(), ca.running() as about, stand.server():
        ca.connect(about)
        token = stand.token()
        small = _once(about, token, max(most // 10, _BATCH), "small")
        large = _once(about, token, most, "large")
    found = {
        "small": small,
        "large": large,
        "drained_times": round(large["drained_seconds"] / small["drained_seconds"], 2),
        "memory_times": round(large["worker_peak_mib"] / small["worker_peak_mib"], 3),
    }
    if most == _MOST:
        _promised(found)
    return found


def _promised(found: dict[str, Any]) -> None:
    """Leave the figure of the promise that so many may wait; a smaller run says nothing about it."""
    small, large = found["small"], found["large"]
    unit = (
        f"ms for a page of the list at most, with {large['orders']} orders waiting ({small['listed']['max_ms']} with a tenth); "
        f"drained in {large['drained_seconds']} s, {found['drained_times']} times a tenth's; {large['worker_peak_mib']} MiB of the "
        f"worker's own at most, {found['memory_times']} times a tenth's; {large['lost']} lost, {large['doubled']} doubled"
    )
    database = stand.database()
    runner = "bash scripts/with-postgres.sh " if database == "postgresql" else ""
    figures.promise("R14", large["listed"]["max_ms"], unit, f"{runner}.venv/bin/python -m bench waiting", database)


def _once(about: dict[str, Any], token: str, number: int, prefix: str) -> dict[str, Any]:
    ders = requests.make(number, prefix)
    ca.switch(about, "down")
    idents = _place(ders)
    with stand.process("worker", module="bench.fast") as worker:
        stand.wait(_breaker_is_open, _NOTICED)
        listed = _listed(token)
        ca.switch(about, "up")
        begun = time.monotonic()
        own: list[float] = []

        def drained() -> bool:
            own.append(_own(worker))
            return _open() == 0

        stand.wait(drained, _LONGEST, 0.5)
        took, peak = time.monotonic() - begun, max(own)
    return {
        "orders": number,
        "listed": listed,
        "drained_seconds": round(took, 1),
        "per_second": round(number / took, 1),
        "worker_peak_mib": peak,
        **_judged(about, idents),
    }


def _place(ders: list[bytes]) -> set[str]:
    from chancery.apps.orders.place import PlaceOrder, place_many

    found: set[str] = set()
    for start in range(0, len(ders), _BATCH):
        for one in place_many(stand.host(), [PlaceOrder(ca.PROFILE, der) for der in ders[start : start + _BATCH]]):
            if isinstance(one, Exception):
                raise one
            found.add(str(one.pk))
    return found


def _listed(token: str) -> dict[str, float]:
    visitor, took = client.api(token), []
    for _ in range(_LISTED):
        start = time.perf_counter()
        visitor.good("GET", "/api/v1/orders?state=queued")
        took.append(time.perf_counter() - start)
    visitor.close()
    return figures.milliseconds(took)


def _judged(about: dict[str, Any], idents: set[str]) -> dict[str, int]:
    from chancery.apps.orders.models import Order

    paid = {tag.removeprefix("chancery:"): n for tag, n in ca.ordered(about).items()}
    issued = {str(pk) for pk in Order.objects.filter(state="issued").values_list("pk", flat=True)}
    return {
        "lost": len(idents - issued) + sum(1 for ident in idents & issued if ident not in paid),
        "doubled": sum(1 for ident in idents if paid.get(ident, 0) > 1),
    }


def _open() -> int:
    from chancery.apps.orders.models import Order

    return int(Order.objects.filter(state__in=["queued", "submitting", "pending"]).count())


def _breaker_is_open() -> bool:
    from chancery.apps.connectors.models import Connector

    return bool(Connector.objects.filter(name=ca.CONNECTOR, breaker_until__isnull=False).exists())


def _own(process: subprocess.Popen[bytes]) -> float:
    """Return the memory (MiB) that the worker's processes have for themselves now.

    Pages of SQLite's file, which the system shares among all who read it and takes back at will, are not their own.
    """
    return round(sum(map(_anonymous, [process.pid, *_children(process.pid)])) / 1024, 1)


def _children(pid: int) -> list[int]:
    return [int(one) for task in Path(f"/proc/{pid}/task").glob("*/children") for one in _text(task).split()]


def _anonymous(pid: int) -> int:
    lines = _text(Path(f"/proc/{pid}/status")).splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def _text(path: Path) -> str:
    # A process, or a thread, may just have ended.
    return path.read_text(encoding="ascii") if path.exists() else ""
