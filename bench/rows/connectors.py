"""Connectors, and profiles, like the first of each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bench.rows.ground import Ground, named, store
from chancery.apps.connectors.models import Connector
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.texts import fold
from chancery.core.ids import new_id

_HEALTH = (("healthy", 84), ("unknown", 8), ("unreachable", 8))


def fill(ground: Ground, number: int) -> None:
    """Add copies of the first connector under other names, some inactive, and a profile under each of these names."""
    like = Connector.objects.order_by("created_at").first()
    profile = Profile.objects.order_by("created_at").first()
    if like is None or profile is None:
        msg = "there must be a connector and a profile to copy"
        raise ValueError(msg)
    first = Connector.objects.count()
    names = [f"{ground.word()} {n:06}" for n in range(first, first + number)]
    rows = (_connector(ground, name, ground.now - timedelta(minutes=n)) for n, name in enumerate(names))
    store(Connector, rows, like)
    store(Profile, (_profile(ground, name) for name in names), profile)


def _connector(ground: Ground, name: str, at: datetime) -> dict[str, Any]:
    region = ground.random.choice(["", "EU", "US", "APAC"])
    return {
        "id": new_id(at),
        **named(name),
        "region": region,
        "region_key": fold(region),
        "health": ground.one(_HEALTH),
        "status": "active" if ground.random.random() < 0.9 else "inactive",
        "created_at": at,
        "updated_at": at,
        "probe_at": None,
        **ground.scope(),
        "deleted_at": None,
    }


def _profile(ground: Ground, name: str) -> dict[str, Any]:
    made = {"id": new_id(ground.now), "created_at": ground.now, "deleted_at": None}
    return {**made, **named(f"Profile {name}"), **ground.scope()}
