"""(b) Orders over REST: in batches, and one by one from many clients; until the last certificate is stored."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

from bench import client, figures, requests, stand

_BATCH = 500
_CLIENTS_OF_BATCHES = 2
_CLIENTS = 32
_SHARE = 0.4
"""Of the seconds that a sustained rate is measured for; there are two rates here."""


def run(seconds: float) -> dict[str, Any]:
    """Return both rates, from the first request to the last certificate stored."""
    batched, single = int(1_500 * seconds * _SHARE) // _BATCH * _BATCH, int(900 * seconds * _SHARE)
    bodies = [body(der) for der in requests.make(batched + single)]
    with stand.installation(), stand.server(), stand.process("worker"):
        token, stored = stand.token(), stand.Stored()
        _warm(token, stored)
        groups = [{"orders": bodies[i : i + _BATCH]} for i in range(0, batched, _BATCH)]
        in_batches = _rate(stored, token, _CLIENTS_OF_BATCHES, groups, _place_batch, batched)
        one_by_one = _rate(stored, token, _CLIENTS, bodies[batched:], _place_one, single)
    return {"in_batches_of_500": in_batches, "one_by_one_32_clients": one_by_one}


def body(der: bytes) -> dict[str, Any]:
    """Return what a client sends to order with this request."""
    encoded = base64.encodebytes(der).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{encoded}-----END CERTIFICATE REQUEST-----\n"
    return {"profile": stand.PROFILE, "csr": pem}


def _warm(token: str, stored: stand.Stored) -> None:
    """Let every process import what it needs before the clock starts."""
    visitor = client.api(token)
    for der in requests.make(20, "warm"):
        _place_one(visitor, body(der))
    stand.wait(lambda: stored() >= 20, 60)


def _rate(
    stored: stand.Stored,
    token: str,
    clients: int,
    tasks: list[Any],
    act: Callable[[client.Client, Any], None],
    certificates: int,
) -> dict[str, Any]:
    before, start = stored(), time.monotonic()
    took = client.together([client.api(token) for _ in range(clients)], tasks, act)
    answered = time.monotonic() - start
    stand.wait(lambda: stored() - before >= certificates, 300)
    elapsed = time.monotonic() - start
    return {
        "certificates": certificates,
        "seconds": round(elapsed, 1),
        "per_second": round(certificates / elapsed),
        "placed_per_second": round(certificates / answered),
        "answer": figures.milliseconds(took),
    }


def _place_batch(visitor: client.Client, group: dict[str, Any]) -> None:
    if b'"problem"' in visitor.good("POST", "/api/v1/orders/batch", group):
        msg = "an order of a batch was refused"
        raise RuntimeError(msg)


def _place_one(visitor: client.Client, body: dict[str, Any]) -> None:
    visitor.good("POST", "/api/v1/orders", body)
