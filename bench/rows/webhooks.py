"""Webhooks, none of which is sent anything."""

from __future__ import annotations

from typing import Any

from bench.rows.ground import FEW, Ground, named, store
from chancery.apps.webhooks.models import Webhook
from chancery.core.ids import new_id


def fill(ground: Ground, number: int) -> None:
    """Add webhooks, `FEW` at most."""
    store(Webhook, (_webhook(ground, n) for n in range(min(number, FEW))))


def _webhook(ground: Ground, n: int) -> dict[str, Any]:
    where = {"url": "https://hooks.example.com/", "is_active": False, "position": 0}
    times = {"created_at": ground.now, "updated_at": ground.now}
    return {"id": new_id(ground.now), **named(f"Hook {ground.word()} {n:06}"), **where, **times, **ground.scope()}
