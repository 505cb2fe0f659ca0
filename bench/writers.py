"""(d) People at the web pages while the engine is busy, and how long a certificate takes when it is idle."""

from __future__ import annotations

import json
import random
import threading
import time
from typing import Any

from bench import client, engine, figures, requests, rest, stand

_WRITERS = 8
_IDLE_ORDERS = 60
_PAUSE = (0.2, 1.0)
"""Seconds between two writes of one person: far busier than people are."""


def run(seconds: float) -> dict[str, Any]:
    """Return how long writes took during (a), and from placed to issued on an idle installation."""
    seconds = min(seconds, 30.0)
    ders = requests.make(int(seconds * 2_500) + 5_000)
    with stand.installation(), stand.server(), stand.process("worker"):
        token = stand.token()
        idle = _idle(token)
        writes, rate = _busy(token, ders, seconds)
    return {"placed_to_issued_idle": idle, "writes_during_a": writes, "certificates_per_second_meanwhile": rate}


def _idle(token: str) -> dict[str, float]:
    visitor, took = client.api(token), []
    for number, der in enumerate(requests.make(_IDLE_ORDERS + 5, "idle")):
        start = time.perf_counter()
        answer = visitor.good("POST", "/api/v1/orders", rest.body(der), Prefer="wait=20")
        if b'"issued"' not in answer:
            msg = "an order of an idle installation was not issued in time"
            raise RuntimeError(msg)
        if number >= 5:
            took.append(time.perf_counter() - start)
        time.sleep(random.uniform(0.05, 0.2))
    return figures.milliseconds(took)


def _busy(token: str, ders: list[bytes], seconds: float) -> tuple[dict[str, float], int]:
    stored = stand.Stored()
    placer = engine.Placer(ders, stored)
    people = [_Person(client.api(token), number) for number in range(_WRITERS)]
    placer.start()
    stand.wait(lambda: stored() >= 500, 60)
    before, start = stored(), time.monotonic()
    for person in people:
        person.start()
    time.sleep(seconds)
    made, elapsed = stored() - before, time.monotonic() - start
    for person in people:
        person.stop()
    placer.stop()
    failed = [error for person in people for error in person.errors]
    if failed:
        raise failed[0]
    return figures.milliseconds([t for person in people for t in person.took]), round(made / elapsed)


class _Person(threading.Thread):
    """Makes profiles, renames them and deletes them, one after the other."""

    def __init__(self, visitor: client.Client, number: int) -> None:
        super().__init__(daemon=True)
        self._visitor, self._number, self._halt = visitor, number, threading.Event()
        self._random = random.Random(number)
        self.took: list[float] = []
        self.errors: list[Exception] = []

    def run(self) -> None:
        turn = 0
        try:
            while not self._halt.is_set():
                self._one(f"writer {self._number} turn {turn}")
                turn += 1
        except Exception as error:
            self.errors.append(error)

    def _one(self, name: str) -> None:
        values = {"name": name, "connector": "Bench CA", "validity_days": 30}
        ident = json.loads(self._timed("POST", "/api/v1/profiles", values))["id"]
        self._timed("DELETE", f"/api/v1/profiles/{ident}")

    def _timed(self, method: str, path: str, body: Any = None) -> bytes:
        start = time.perf_counter()
        answer = self._visitor.good(method, path, body)
        self.took.append(time.perf_counter() - start)
        self._halt.wait(self._random.uniform(*_PAUSE))
        return answer

    def stop(self) -> None:
        self._halt.set()
        self.join(60)
