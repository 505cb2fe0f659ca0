"""Fills all tables, in an order in which each finds what its rows point at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bench.rows import (
    acme,
    bots,
    changes,
    connectors,
    inventory,
    keys,
    notices,
    orders,
    people,
    pools,
    renewals,
    webhooks,
)
from bench.rows.ground import Ground


class Filler:
    """Makes rows of every kind from one seed."""

    def __init__(self, now: datetime, teams: Sequence[int], environments: Sequence[int], seed: int = 1) -> None:
        self._ground = Ground(now, teams, environments, seed)

    def everything(self, number: int) -> None:
        """Add `number` rows of what use makes more of, and of what people make as many, `FEW` at most."""
        self.connectors(number)
        self.orders(number)
        for kind in (inventory, keys, renewals, pools, people, notices, webhooks, bots, acme, changes):
            kind.fill(self._ground, number)

    def connectors(self, number: int) -> None:
        """Add connectors, and as many profiles."""
        connectors.fill(self._ground, number)

    def orders(self, number: int) -> None:
        """Add orders with their certificates and audit entries."""
        orders.fill(self._ground, number)
