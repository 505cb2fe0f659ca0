"""Pools of two connectors each."""

from __future__ import annotations

from typing import Any

from bench.rows.ground import FEW, Ground, named, store
from bench.rows.orders import some
from chancery.apps.connectors.models import Connector, Pool, PoolMember
from chancery.core.ids import new_id


def fill(ground: Ground, number: int) -> None:
    """Add pools, `FEW` at most, of the connectors that have the orders."""
    connectors = some(Connector)
    pools = [_pool(ground, n) for n in range(min(number, FEW))]
    store(Pool, pools)
    members = ((p["id"], c, place) for p in pools for place, c in enumerate(ground.random.sample(connectors, 2), 1))
    store(PoolMember, ({"pool_id": p, "connector_id": c, "preference": place} for p, c, place in members))


def _pool(ground: Ground, n: int) -> dict[str, Any]:
    times = {"created_at": ground.now, "updated_at": ground.now}
    return {
        "id": new_id(ground.now),
        **named(f"Pool {ground.word()} {n:06}"),
        "shared": True,
        **times,
        **ground.scope(),
    }
