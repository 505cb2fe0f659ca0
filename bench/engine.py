"""(a) Orders through `local`, the whole path: place, policy, engine, sign, check, store, audit."""

from __future__ import annotations

import resource
import threading
import time
from typing import Any

from bench import requests, signing, stand

_BATCH = 500
_AHEAD = 4_000
"""Orders that may wait while more are placed: enough that the engine is never idle."""


def run(seconds: float) -> dict[str, Any]:
    """Return the sustained rate over `seconds`, its ratio to bare signing, and where the time went."""
    ders = requests.make(int(seconds * 3_500) + _AHEAD)
    ceiling = signing.bare(ders)
    with stand.installation(), stand.process("worker"):
        figures = _sustain(ders, seconds)
    return {**figures, "bare_signing_per_second": round(ceiling), "ratio": round(figures["per_second"] / ceiling, 3)}


def _sustain(ders: list[bytes], seconds: float) -> dict[str, Any]:
    from chancery.apps.audit.models import Entry
    from chancery.apps.certificates.models import Certificate

    stored = stand.Stored()
    placer = Placer(ders, stored)
    placer.start()
    stand.wait(lambda: stored() >= 500, 60)
    before, start, samples = stored(), time.monotonic(), []
    while (passed := time.monotonic() - start) < seconds:
        time.sleep(min(5.0, seconds - passed))
        samples.append((time.monotonic() - start, stored() - before))
    placer.stop()
    elapsed, made = samples[-1]
    stand.wait(lambda: stored() == placer.placed, 120)
    return {
        "seconds": round(elapsed, 1),
        "certificates": made,
        "per_second": round(made / elapsed),
        "slowest_5_seconds_per_second": _slowest(samples),
        "placed": placer.placed,
        "stored": Certificate.objects.count(),
        "audit_entries_of_orders": Entry.objects.filter(target_kind="order").count(),
        "placing_seconds_of_cpu": round(placer.cpu, 1),
    }


def _slowest(samples: list[tuple[float, int]]) -> int:
    pairs = zip([(0.0, 0), *samples], samples, strict=False)
    return round(min((b - a) / (t - s) for (s, a), (t, b) in pairs if t - s > 1))


class Placer(threading.Thread):
    """Places batches, and never runs further ahead of the engine than it must."""

    def __init__(self, ders: list[bytes], stored: stand.Stored) -> None:
        super().__init__(daemon=True)
        self._ders, self._stored, self._halt = ders, stored, threading.Event()
        self.placed, self.cpu = 0, 0.0

    def run(self) -> None:
        """Place until told to stop, or until there is nothing left."""
        from chancery.apps.orders.place import PlaceOrder, place_many

        actor = stand.host()
        while not self._halt.is_set() and self.placed < len(self._ders):
            if self.placed - self._stored() > _AHEAD:
                time.sleep(0.05)
                continue
            some = self._ders[self.placed : self.placed + _BATCH]
            for result in place_many(actor, [PlaceOrder(stand.PROFILE, der) for der in some]):
                if isinstance(result, Exception):
                    raise result
            self.placed += len(some)
        usage = resource.getrusage(resource.RUSAGE_THREAD)
        self.cpu = usage.ru_utime + usage.ru_stime

    def stop(self) -> None:
        """Place no more, and wait for the batch under way."""
        self._halt.set()
        self.join()
