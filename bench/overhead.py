"""(g) What Chancery costs: orders through its own client alone, and out of its queue to the stored certificate, at 64 connections."""

from __future__ import annotations

import statistics
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from bench import ca, fast, requests, stand, waiting

_ROUNDS, _FIRST = 3, 1_000


def run(seconds: float) -> dict[str, Any]:
    """Return the rates and their ratios, for as many orders in each round as the client alone does in two thirds of so many seconds.

    What counts is how fast a queue gets to the CA (ADR 31); orders that are placed meanwhile share this machine's processors
    with what sends them, so their rate is shown beside it.
    """
    direct, drained, meanwhile = [], [], []
    with stand.installation(), ca.running() as about:
        row = ca.connect(about)
        # As long on a quick machine as on a slow one: a worker begins slowly, as it starts a process for its calls.
        number = int(_direct(row, requests.make(_FIRST, "first")) * seconds * 2 / 3)
        # By turns, and the middle one counts: the speed of a shared machine changes within a minute.
        for n in range(_ROUNDS):
            direct.append(_direct(row, requests.make(number, f"direct{n}")))
            drained.append(_drained(requests.make(number, f"drained{n}")))
            meanwhile.append(_placed_meanwhile(requests.make(number, f"meanwhile{n}")))
    return {
        "orders_in_each_round": number,
        "connections": fast.CONNECTIONS,
        "direct_per_second": [round(rate, 1) for rate in direct],
        "drained_per_second": [round(rate, 1) for rate in drained],
        "ratio": _middle(drained, direct),
        "placed_meanwhile_per_second": [round(rate, 1) for rate in meanwhile],
        "ratio_placed_meanwhile": _middle(meanwhile, direct),
    }


def _middle(rates: list[float], of: list[float]) -> float:
    return round(statistics.median(rate / whole for rate, whole in zip(rates, of, strict=True)), 3)


def _direct(row: Any, ders: list[bytes]) -> float:
    """Return the rate of the authority's own code on 64 threads: nothing is stored, and nothing is promised."""
    from chancery.core.clock import SYSTEM_CLOCK
    from chancery.engine.build import Builder

    fast.unlimited()
    builder = Builder(SYSTEM_CLOCK, lambda: None)
    built = builder.version(row.authority, row.current_id)
    jobs = [_job(row, der) for der in ders]
    begun = time.monotonic()
    with ThreadPoolExecutor(fast.CONNECTIONS) as threads:
        list(threads.map(lambda job: _issued(job, built.authority), jobs))
    rate = len(ders) / (time.monotonic() - begun)
    builder.close()
    return rate


def _job(row: Any, der: bytes) -> Any:
    from chancery.apps.profiles.models import Profile
    from chancery.core.clock import SYSTEM_CLOCK
    from chancery.core.csr import parse
    from chancery.engine.jobs import Asked, Job, Kind

    request, ident = parse(der), uuid.uuid4()
    product = Profile.objects.get(name=ca.PROFILE).products[row.authority]
    about = (ident, der, request.common_name, tuple(request.names), request.key.spki_sha256)
    asked = Asked(*about, timedelta(days=90), SYSTEM_CLOCK.now(), product, companions=True)
    return Job(Kind.SUBMIT, ident, ident, row.pk, row.epoch, row.current_id, row.authority, asked)


def _issued(job: Any, authority: Any) -> None:
    """Submit, and poll at once for as long as the CA lets us wait."""
    from dataclasses import replace

    from chancery.core.clock import SYSTEM_CLOCK
    from chancery.engine.jobs import Good, Kind, Waiting
    from chancery.engine.work import do

    result = do(job, authority, SYSTEM_CLOCK.now)
    while isinstance(result, Waiting):
        asked = replace(job.asked, poll_state=result.pending.state)
        result = do(replace(job, kind=Kind.POLL, asked=asked), authority, SYSTEM_CLOCK.now)
    if not isinstance(result, Good):
        msg = f"an order was not issued: {result}"
        raise TypeError(msg)


def _drained(ders: list[bytes]) -> float:
    """Return the rate from the worker's first sign of life to the last certificate stored, all orders being there."""
    waiting._place(ders)
    stored = stand.Stored()
    with stand.process("worker", module="bench.fast"):
        stand.wait(_alive, 60)
        before = stored()
        return _rate(stored, before + waiting._open(), begun_with=before)


def _placed_meanwhile(ders: list[bytes]) -> float:
    """Return the rate from the first order placed to the last certificate stored."""
    stored = stand.Stored()
    with stand.process("worker", module="bench.fast"):
        stand.wait(_alive, 60)
        before = stored()
        placing = threading.Thread(target=waiting._place, args=(ders,))
        placing.start()
        rate = _rate(stored, before + len(ders), begun_with=before)
        placing.join()
    return rate


def _rate(stored: stand.Stored, until: int, *, begun_with: int) -> float:
    """Return how many certificates a second come until there are so many."""
    begun = time.monotonic()
    stand.wait(lambda: stored() >= until, 3600)
    return (until - begun_with) / (time.monotonic() - begun)


def _alive() -> bool:
    from chancery.apps.connectors.queries import worker_alive
    from chancery.core.clock import SYSTEM_CLOCK

    return worker_alive(SYSTEM_CLOCK.now())
