"""A plan for the renewal of each certificate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from bench.rows.ground import Ground, store
from chancery.apps.certificates.models import Certificate
from chancery.apps.renewals.models import Plan, PlanState

_AHEAD = ((PlanState.PLANNED, 5), (PlanState.RETRYING, 1), (PlanState.WAITING, 1), (PlanState.ORDERED, 1))
_OVER = ((PlanState.REPLACED, 2), (PlanState.ENDED, 2), (PlanState.OFF, 1))
_DUE = frozenset({PlanState.PLANNED, PlanState.RETRYING})
_BEFORE = timedelta(days=30)
_COPIED = ("profile_id", "connector_id", "team_id", "environment_id")


def fill(ground: Ground, number: int) -> None:
    """Add a plan to certificates, `number` at most."""
    rows = Certificate.objects.order_by("id").values("id", "not_after", *_COPIED)[:number]
    store(Plan, _plans(ground, list(rows)))


def _plans(ground: Ground, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        due = max(row["not_after"] - _BEFORE, ground.now - timedelta(hours=1))
        state = ground.one(_AHEAD if row["not_after"] > ground.now else _OVER)
        yield {
            **{name: row[name] for name in _COPIED},
            "id": row["id"],
            "certificate_id": row["id"],
            "revision": 1,
            "state": str(state),
            "due_at": due if state in _DUE else None,
        }
