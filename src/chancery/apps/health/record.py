"""Adds what was measured to the tables: one statement for all buckets, so that it costs the engine's turn little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from chancery.apps.connectors.models import Connector
from chancery.apps.health.models import BOUNDS, CLASSES, COARSE, EVER, FINE, KEPT, Bucket, Vital
from chancery.apps.shared.returning import execute

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SUMMED = ("number", "seconds", *CLASSES)
_KEY = ("connector_id", "width", "start", "operation", "outcome")
_COLUMNS = (*_KEY, "number", "seconds", "slowest", "last_at", *CLASSES)
_ROWS = 40
"""Rows of one statement; SQLite takes 32 766 parameters, and a plan for each number of rows is kept."""
_PRUNED = 10_000


@dataclass(slots=True)
class Tally:
    """How many calls with one outcome, how long they took (seconds), and their latency by class."""

    number: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * len(CLASSES))

    def add(self, number: int, seconds: float) -> None:
        """Count `number` calls that took `seconds` each."""
        self.number += number
        self.seconds += seconds * number
        self.slowest = max(self.slowest, seconds)
        self.counts[next((i for i, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))] += number

    def merge(self, other: Tally) -> None:
        """Take over what another one has counted."""
        self.number += other.number
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]


Key = tuple[UUID, str, str]
"""Connector, operation, outcome."""


def starts(now: datetime) -> dict[int, datetime]:
    """Return width → start of the bucket that a moment falls into."""
    seconds = int(now.timestamp())
    whole = {w: datetime.fromtimestamp(seconds - seconds % w, UTC) for w in (FINE, COARSE)}
    return {**whole, EVER: _EPOCH}


def add(tallies: Mapping[Key, Tally], now: datetime) -> None:
    """Add to the buckets that `now` falls into; of connectors that are gone nothing is kept."""
    known = set(Connector.objects.filter(pk__in={key[0] for key in tallies}).values_list("pk", flat=True))
    rows = [
        (*(connector, width, start, operation, outcome), t.number, t.seconds, t.slowest, now, *t.counts)
        # In one order for all workers: two that add to the same rows must not wait for one another crosswise.
        for (connector, operation, outcome), t in sorted(
            tallies.items(), key=lambda item: (str(item[0][0]), item[0][1:])
        )
        if connector in known
        for width, start in starts(now).items()
    ]
    for at in range(0, len(rows), _ROWS):
        _upsert(rows[at : at + _ROWS])


def _upsert(rows: Sequence[tuple[Any, ...]]) -> None:
    table = connection.ops.quote_name(Bucket._meta.db_table)
    more = "GREATEST" if connection.vendor == "postgresql" else "MAX"
    sums = [f"{c} = {table}.{c} + excluded.{c}" for c in _SUMMED]
    most = [f"{c} = {more}({table}.{c}, excluded.{c})" for c in ("slowest", "last_at")]
    marks = f"({', '.join(['%s'] * len(_COLUMNS))})"
    execute(
        f"INSERT INTO {table} ({', '.join(_COLUMNS)}) VALUES {', '.join([marks] * len(rows))} "
        f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {', '.join(sums + most)}",
        [value for row in rows for value in row],
    )


def prune(now: datetime) -> int:
    """Forget buckets that are older than their width is kept; at most some thousands at once. Returns how many."""
    gone = 0
    for width, kept in KEPT.items():
        old = Bucket.objects.filter(width=width, start__lt=now - kept).order_by("start").values("pk")[:_PRUNED]
        gone += Bucket.objects.filter(pk__in=old).delete()[0]
    return gone


def vital(connector: UUID, kind: str, now: datetime, subject: str = "", **measured: Any) -> None:
    """Keep the newest measure of something that ages; `measured` are columns of `Vital`."""
    columns = {"seconds": None, "until": None, "text": "", "error": "", **measured, "at": now}
    columns["text"], columns["error"] = columns["text"][:500], columns["error"][:500]
    Vital.objects.update_or_create(connector_id=connector, kind=kind, subject=subject[:300], defaults=columns)


def forget_vitals(connector: UUID, kind: str, kept: Sequence[str]) -> None:
    """Drop measures of a kind whose subjects are not looked at any more."""
    Vital.objects.filter(connector=connector, kind=kind).exclude(subject__in=[s[:300] for s in kept]).delete()
