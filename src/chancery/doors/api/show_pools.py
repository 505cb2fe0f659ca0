"""Pools and what hangs on connectors, as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chancery.apps.connectors.models import Pool, PoolMember
from chancery.apps.pools.impact import Counted, Impact
from chancery.apps.pools.repointing import NAMED, Repointing


def pool(row: Pool, members: Mapping[UUID, Sequence[PoolMember]], used: Mapping[UUID, int]) -> dict[str, Any]:
    """Return a pool with its members."""
    return {
        "id": str(row.pk),
        "team": row.team.name if row.team else "",
        "environment": row.environment.name if row.environment else "",
        "members": [member(m) for m in members.get(row.pk, [])],
        "profiles": used.get(row.pk, 0),
        **{
            n: getattr(row, n) for n in ("name", "description", "trust", "trust_reason", "patience_minutes", "revision")
        },
    }


def member(row: PoolMember) -> dict[str, Any]:
    """Return a connector's place in a pool."""
    one = row.connector
    return {
        "connector": str(one.pk),
        **{n: getattr(one, n) for n in ("name", "authority", "region", "status", "breaker")},
        **{n: getattr(row, n) for n in ("preference", "weight", "validation", "draining")},
    }


def impact(found: Impact) -> dict[str, Any]:
    """Return what depends on a connector."""
    numbers = ("held", "on_their_way", "renewals", "certificates", "bots")
    return {
        **{name: _counted(getattr(found, name)) for name in numbers},
        "profiles": [
            {"id": str(d.profile.pk), "name": d.profile.name, "pool": d.pool, "stand_ins": d.stand_ins}
            for d in found.profiles
        ],
        "more_profiles": found.more_profiles,
        "pools": [{"id": str(p.pk), "name": p.name} for p in found.pools],
        "first_renewal": found.first_renewal,
    }


def repointing(found: Repointing) -> dict[str, Any]:
    """Return what a re-pointing moves, or has moved."""
    return {
        "to": found.target_name,
        "profiles": [{"id": str(p.pk), "name": p.name} for p in found.profiles],
        "refused": [{"id": str(p.pk), "name": p.name, "why": why} for p, why in found.refused],
        "orders": len(found.moving),
        "staying": [{"id": str(o.pk), "name": o.common_name, "why": why} for o, why in found.staying[:NAMED]],
        "orders_staying": len(found.staying),
        "bound": found.bound,
        "more": found.more,
        "digest": found.digest,
        "moved": found.moved,
    }


def _counted(found: Counted) -> dict[str, Any]:
    return {"number": found.number, "first": [{"id": ident, "name": name} for ident, name in found.first]}
