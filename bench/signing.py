"""The ceiling: the same certificates signed by the same code on as many processes, checked and stored nowhere."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

_SECONDS = 6.0


def bare(requests: list[bytes]) -> float:
    """Return certificates per second: decode and verify the request, build the certificate, sign it (P-256)."""
    cpus = os.cpu_count() or 1
    with ProcessPoolExecutor(cpus, mp_context=get_context("spawn")) as pool:
        list(pool.map(_sign, [(requests[:50], 0.1)] * cpus))
        return sum(pool.map(_sign, [(requests[:2000], _SECONDS)] * cpus))


def _sign(task: tuple[list[bytes], float]) -> float:
    import uuid
    from datetime import UTC, datetime, timedelta

    from chancery.authorities.local.authority import Local, LocalConfig, LocalProfile, make_hierarchy
    from chancery.core.clock import SYSTEM_CLOCK
    from chancery.core.csr import parse
    from chancery.core.secret import Secret
    from chancery.sdk.authority import Context, Request

    requests, seconds = task
    now = datetime.now(UTC)
    chain, key = make_hierarchy("Bench", "EC-P256", 10, now)
    authority = Local(LocalConfig(chain_pem=chain, issuing_key=Secret(key)), Context(None, SYSTEM_CLOCK, None))  # type: ignore[arg-type]  # reaches nothing outside, logs nothing
    count, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        der = requests[count % len(requests)]
        parsed = parse(der)
        authority.submit(
            Request(
                reference=str(uuid.uuid4()),
                csr=der,
                common_name=parsed.common_name,
                names=parsed.names,
                spki_sha256=parsed.key.spki_sha256,
                validity=timedelta(days=30),
                intended_at=now,
                settings=LocalProfile(),
            )
        )
        count += 1
    return count / (time.monotonic() - start)
