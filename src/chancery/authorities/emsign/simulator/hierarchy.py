"""The CAs that sign: one that is trusted, and those of the incident of October 2026."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from cryptography import x509

from chancery.authorities.emsign.simulator.products import Product
from chancery.sandbox.ca import SandboxCa

_CAPS = ((date(2029, 3, 15), 46), (date(2027, 3, 15), 99), (date(2026, 3, 15), 199), (date.min, 390))
"""(from, days) that a public certificate runs inside its subscription."""
_PRIVATE_DAYS = 365
_NAMES = {
    "good": ("emSign Root CA - G1", "emSign SSL CA - G1"),
    "compromised": ("emSign ECC Root CA - G3", "emSign ECC SSL CA - G3"),
    "removed": ("emSign Root CA - C1", "emSign SSL CA - C1"),
}
"""Names of roots as published; those of the issuing CAs below them are the simulator's own."""


class Hierarchy:
    """Signs, by the CA that a dial chooses."""

    def __init__(self, now: datetime, first: SandboxCa | None = None) -> None:
        self._now = now
        self._made: dict[str, SandboxCa] = {"good": first} if first is not None else {}

    def ca(self, name: str) -> SandboxCa:
        """Return a CA by the dial's word."""
        if name not in self._made:
            root, intermediate = _NAMES[name]
            self._made[name] = SandboxCa(self._now, root=root, intermediate=intermediate)
        return self._made[name]

    def issue(self, name: str, key: Any, names: list[str], now: datetime, until: datetime) -> x509.Certificate:
        """Return a certificate until a moment at most."""
        return self.ca(name).issue_until(key, names[0], names, now, until - timedelta(minutes=1))


def end_of(product: Product, now: datetime, paid: datetime) -> datetime:
    """Return until when a certificate of a product runs: as long as is allowed, and no longer than was paid."""
    days = next(n for begun, n in _CAPS if now.date() >= begun) if product.public else _PRIVATE_DAYS
    return min(now + timedelta(days=days), paid)
