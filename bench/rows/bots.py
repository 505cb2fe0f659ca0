"""Bots with a target each, deployments and lines of logs over the past year: half of them of the first bot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from bench.rows.ground import FEW, Ground, named, store
from bench.rows.orders import some
from chancery.apps.bots.models import Bot, Deployment, LogLine, Stage, Standing, Target
from chancery.apps.profiles.models import Profile
from chancery.core.ids import new_id

_TARGETS = 3
"""Targets of the first bot."""
_STANDINGS = ((Standing.ACTIVE, 6), *((one, 1) for one in Standing if one != Standing.ACTIVE))
_ENDS = ((Stage.DEPLOYED, 8), (Stage.FAILED, 1), (Stage.ROLLED_BACK, 1))


def fill(ground: Ground, number: int) -> None:
    """Add deployments and lines, and bots, of these `FEW` at most."""
    bots = [_bot(ground, n) for n in range(min(number, FEW))]
    profiles = some(Profile)
    whose = [bots[0]] * _TARGETS + bots[1:]
    targets = [_target(ground, bot, f"site {n}", ground.random.choice(profiles)) for n, bot in enumerate(whose)]
    store(Bot, bots)
    store(Target, targets)
    store(Deployment, (_deployment(ground, n, number, targets) for n in range(number)))
    store(LogLine, (_line(ground, n, number, bots) for n in range(number)))


def _bot(ground: Ground, n: int) -> dict[str, Any]:
    soon = ground.now + timedelta(days=1)
    standing = ground.one(_STANDINGS)
    return {
        "id": new_id(ground.now),
        **named(f"Bot {ground.word()} {n:06}"),
        **ground.scope(),
        "enrolled_at": ground.now,
        "configured": standing != Standing.PENDING,
        "problem": "Its web server cannot be restarted." if standing == Standing.FAILED else "",
        "silent_at": None if standing == Standing.INACTIVE else soon,
        "stopped_at": ground.now if standing == Standing.STOPPED else None,
        "created_at": ground.now,
        "created_by": "ada",
    }


def _target(ground: Ground, bot: dict[str, Any], name: str, profile: UUID) -> dict[str, Any]:
    where = {"team_id": bot["team_id"], "environment_id": bot["environment_id"], "profile_id": profile}
    made = {"id": new_id(ground.now), "bot_id": bot["id"], "created_at": ground.now}
    return {**made, **where, "name": name, "kind": "files", "names": [["dns", "www.example.com"]]}


def _deployment(ground: Ground, n: int, number: int, targets: list[dict[str, Any]]) -> dict[str, Any]:
    at = ground.at(n, number)
    target = targets[n // 2 % _TARGETS] if n % 2 else ground.random.choice(targets)
    told = {"asked_by": "ada", "created_at": at, "finished_at": at}
    return {"id": new_id(at), "target_id": target["id"], "state": str(ground.one(_ENDS)), **told}


def _line(ground: Ground, n: int, number: int, bots: list[dict[str, Any]]) -> dict[str, Any]:
    at, bot = ground.at(n, number), bots[0] if n % 2 else ground.random.choice(bots)
    return {
        "id": new_id(at),
        "bot_id": bot["id"],
        "number": n,
        "at": at,
        "level": "info",
        "text": "looked at its files",
    }
