"""People with a role and a session each; and of the first of them, who asks, API tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from bench.rows.ground import FEW, Ground, store
from chancery.apps.accounts.models import ApiToken, Grant, Session, User


def fill(ground: Ground, number: int) -> None:
    """Add people, tokens and sessions, `FEW` of each at most."""
    few = min(number, FEW)
    store(User, ({"username": f"{ground.word().lower()}{n:06}", "created_at": ground.now} for n in range(few)))
    people = list(User.objects.order_by("id").values_list("pk", flat=True))
    store(
        Grant, ({"user_id": pk, "role": "viewer", "team_id": ground.random.choice(ground.teams)} for pk in people[1:])
    )
    store(ApiToken, (_token(ground, n, few, people[0]) for n in range(few)))
    store(Session, (_session(ground, n, few, people[n]) for n in range(few)))


def _token(ground: Ground, n: int, number: int, user: int) -> dict[str, Any]:
    at = ground.at(n, number)
    over = ground.random.random() < 0.9
    return {
        "user_id": user,
        "name": f"pipeline {n}",
        "digest": f"bench{n:059x}",
        "hint": "bench",
        "created_at": at,
        "expires_at": at + timedelta(days=90),
        "revoked_at": at + timedelta(days=1) if over else None,
    }


def _session(ground: Ground, n: int, number: int, user: int) -> dict[str, Any]:
    at = ground.at(n, number)
    return {
        "session_key": f"bench{n:035}",
        "session_data": "",
        "expire_date": ground.now + timedelta(hours=12) if n % 2 else at,
        "user_id": user,
        "ident": uuid4(),
        "started_at": at,
        "address": "192.0.2.1",
        "agent": "bench",
        "how": "password",
    }
