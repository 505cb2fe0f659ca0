"""Reports of keys over the past year, half of them withdrawn."""

from __future__ import annotations

from typing import Any

from bench.rows.ground import FEW, Ground, store
from chancery.apps.certificates.models import KeyReport
from chancery.core.ids import new_id


def fill(ground: Ground, number: int) -> None:
    """Add reports of keys that no order has, `FEW` at most."""
    number = min(number, FEW)
    store(KeyReport, (_report(ground, n, number) for n in range(number)))


def _report(ground: Ground, n: int, number: int) -> dict[str, Any]:
    at = ground.at(n, number)
    withdrawn = {"withdrawn_at": at, "withdrawn_by": "ada", "withdrawn_why": "A drill."}
    return {
        "id": new_id(at),
        "spki_sha256": f"{ground.random.getrandbits(256):064x}",
        **ground.scope(),
        "certificate": f"host{n:07}.{ground.word().lower()}.example.com 1",
        "reported_by": "rob",
        "reported_at": at,
        "for_everybody": True,
        **(withdrawn if n % 2 else {}),
    }
