"""The processes of this installation: each leaves signs of life, and one of the workers leads."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from chancery import __version__
from chancery.apps.connectors.models import WorkerBeat
from chancery.apps.health.models import Lead

WORKER, WEB = "worker", "web"
TIMERS = "timers"
"""The name of the one thing that is led: whatever comes round by itself."""
WEB_EVERY = 5.0
"""Seconds between two signs of life of a process that serves pages; a worker's are a second apart."""
_FRESH = {WORKER: timedelta(seconds=5), WEB: timedelta(seconds=3 * WEB_EVERY)}
_FORGOTTEN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Node:
    """One process, as it was at its last sign of life; `alive` says whether that is fresh enough for its kind."""

    name: str
    kind: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    alive: bool
    leads: bool


def beat(ident: UUID, started: datetime, now: datetime, kind: str = WORKER) -> None:
    """Leave this process's sign of life; forget those that have been silent for long."""
    values = {
        "kind": kind,
        "name": settings.NODE[:200],
        "version": __version__[:40],
        "host": platform.node()[:200],
        "pid": os.getpid(),
        "started_at": started,
        "seen_at": now,
    }
    WorkerBeat.objects.update_or_create(id=ident, defaults=values)
    WorkerBeat.objects.filter(seen_at__lt=now - _FORGOTTEN).delete()


def end(ident: UUID) -> None:
    """Take the sign of life away of a process that ends in order."""
    WorkerBeat.objects.filter(pk=ident).delete()


def listing(now: datetime) -> list[Node]:
    """Return every process that left a sign of life within the last ten minutes, workers last, by name."""
    leader = Lead.objects.filter(pk=TIMERS).values_list("holder", flat=True).first()
    rows = WorkerBeat.objects.order_by("kind", "name", "host", "started_at")
    return [_node(row, leader, now) for row in rows]


def _node(row: WorkerBeat, leader: UUID | None, now: datetime) -> Node:
    alive = row.seen_at > now - _FRESH.get(row.kind, _FRESH[WORKER])
    about = (row.name or row.host, row.kind, row.host, row.pid, row.version, row.started_at, row.seen_at)
    return Node(*about, alive=alive, leads=alive and row.pk == leader)
