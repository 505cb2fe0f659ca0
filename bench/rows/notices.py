"""Channels, notices of the past year, and what was sent of them to the first channel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from bench.rows.ground import FEW, Ground, named, store
from chancery.apps.notices.models import Channel, Delivery, DeliveryState, Kind, Notice, What
from chancery.core.ids import new_id


def fill(ground: Ground, number: int) -> None:
    """Add notices and deliveries, and channels, of these `FEW` at most."""
    channels = [_channel(ground, n) for n in range(min(number, FEW))]
    store(Channel, channels)
    notices = [_notice(ground, n, number) for n in range(number)]
    store(Notice, notices)
    store(Delivery, (_delivery(channels[0]["id"], notice) for notice in notices))


def _channel(ground: Ground, n: int) -> dict[str, Any]:
    times = {"created_at": ground.now, "updated_at": ground.now}
    return {
        "id": new_id(ground.now),
        **named(f"Chat {ground.word()} {n:06}"),
        "service": "json",
        **times,
        **ground.scope(),
    }


def _notice(ground: Ground, n: int, number: int) -> dict[str, Any]:
    at = ground.at(n, number)
    return {
        "id": new_id(at),
        "kind": str(ground.random.choice(list(Kind))),
        "key": f"bench:{n}",
        "title": f"{ground.word()} needs somebody",
        **ground.scope(),
        "opened_at": at,
        "told_at": at,
        # Of each kind as many are open as a page holds, also of a thousand.
        "resolved_at": at if ground.random.random() < 0.35 else None,
    }


def _delivery(channel: UUID, notice: dict[str, Any]) -> dict[str, Any]:
    at = notice["opened_at"]
    about = {"channel_id": channel, "notice_id": notice["id"], "what": str(What.OPENED)}
    return {"id": new_id(at), **about, "state": str(DeliveryState.SENT), "created_at": at, "finished_at": at}
