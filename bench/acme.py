"""(f) Complete ACME orders: new order, finalize, download, one account for each client; every name authorised beforehand.

What peers measured (a real http-01 for each order) takes them more requests; with names that a profile authorises, none of
these is needed. A second figure is with the client that everybody has: authorizations and the order looked at as well.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bench import cpu, figures, stand
from bench.acme_client import Answer, Client
from bench.line import Line
from chancery.core import csr
from chancery.core.names import parse_name

_CLIENTS = (1, 8, 32)
_KEY = ec.generate_private_key(ec.SECP256R1())
_PAUSE = 0.002


def run(seconds: float) -> dict[str, Any]:
    """Return orders per second with so many clients at once, from the first request to the downloaded certificate."""
    os.environ["CHANCERY_ACME_URL"] = f"http://{stand.LISTEN}"
    share = seconds / (len(_CLIENTS) + 1)
    with stand.installation(), stand.server() as web, stand.process("worker") as worker:
        parts = {"server": web.pid, "worker": worker.pid, "database": stand.postmaster()}
        credential, secret = _credential()
        clients = [_registered(credential, secret) for _ in range(max(_CLIENTS))]
        _rate(clients, 3.0, _long, parts)
        found = {f"{n}_in_flight": _rate(clients[:n], share, _short, parts) for n in _CLIENTS}
        return {**found, "32_in_flight_looking_at_everything": _rate(clients, share, _long, parts)}


def _credential() -> tuple[str, bytes]:
    from chancery.apps.acme import actions
    from chancery.apps.acme.jose import decode

    actions.offer(stand.host(), stand.PROFILE, any_name=True)
    made, secret = actions.create_credential(
        stand.host(), "bench", profile=stand.PROFILE, accounts=100, orders_per_hour=1_000_000
    )
    return str(made.pk), decode(secret, "mac")


def _registered(credential: str, secret: bytes) -> tuple[Client, Line]:
    line = Line(stand.LISTEN)
    client = Client(f"http://{stand.LISTEN}/acme/directory", line.send)
    _good(client.register(credential, secret), 201)
    return client, line


def _rate(
    clients: list[tuple[Client, Line]], seconds: float, act: Callable[[Client, str], None], parts: dict[str, int]
) -> dict[str, Any]:
    """Return how many orders so many clients finish, and how much processor time each of them costs, by who spends it."""
    until, took, errors, numbers = time.monotonic() + seconds, list[float](), list[BaseException](), count()

    def work(client: Client, line: Line) -> None:
        # The server ends connections that nobody uses for a while, and most clients wait for their turn.
        line.close()
        try:
            while time.monotonic() < until and not errors:
                begun = time.perf_counter()
                act(client, f"n{next(numbers)}.example.com")
                took.append(time.perf_counter() - begun)
        except BaseException as error:
            errors.append(error)

    begun, before = time.monotonic(), _spent(parts)
    threads = [threading.Thread(target=work, args=one) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    elapsed = time.monotonic() - begun
    cost = {part: round((now - before[part]) * 1000 / len(took), 2) for part, now in _spent(parts).items()}
    return {
        "orders": len(took),
        "per_second": round(len(took) / elapsed),
        "order": figures.milliseconds(took),
        "cpu_ms_per_order": {**cost, "sum": round(sum(cost.values()), 2)},
    }


def _spent(parts: dict[str, int]) -> dict[str, float]:
    """Return the seconds of processor that each part, and this process as the clients, have used so far."""
    return {"clients": time.process_time()} | {part: cpu.used(pid) for part, pid in parts.items() if pid}


def _short(client: Client, name: str) -> None:
    order = _good(client.order(name), 201).json()
    _download(client, _finalized(client, order, name))


def _long(client: Client, name: str) -> None:
    placed = _good(client.order(name), 201)
    for url in placed.json()["authorizations"]:
        _good(client.post(url))
    _finalized(client, placed.json(), name)
    _download(client, _good(client.post(placed.headers["location"])).json())


def _finalized(client: Client, order: dict[str, Any], name: str) -> dict[str, Any]:
    answer = _good(client.finalize(order, csr.build(_KEY, [parse_name(name)], name)))
    where = answer.headers["location"]
    while answer.json()["status"] == "processing":
        time.sleep(_PAUSE)
        answer = _good(client.post(where))
    found: dict[str, Any] = answer.json()
    return found


def _download(client: Client, order: dict[str, Any]) -> None:
    chain = _good(client.post(order["certificate"])).body
    if x509.load_pem_x509_certificate(chain).public_key() != _KEY.public_key():
        msg = "the certificate is for another key"
        raise RuntimeError(msg)


def _good(answer: Answer, status: int = 200) -> Answer:
    if answer.status != status:
        msg = f"{answer.status} {answer.body[:300]!r}"
        raise RuntimeError(msg)
    return answer
