"""What comes round by itself: signs of life, probes, and closing breakers."""

from __future__ import annotations

import os
import socket
import uuid
from datetime import datetime, timedelta

from chancery.apps.connectors.models import Call, CallKind, Connector, Health, Status, WorkerBeat
from chancery.core.ids import new_id

PROBE_EVERY = timedelta(seconds=60)
_PROBE_LEASE = timedelta(seconds=30)
_OLD_BEAT = timedelta(minutes=10)
_KEEP_PROBES = timedelta(hours=1)
_MOST = 50
_ROUTINE = (CallKind.PROBE, CallKind.FRESHNESS, CallKind.HINT, CallKind.EARLIER)
"""Calls that nobody asked for; what came of them stands elsewhere, so they are not kept for long."""


def beat(ident: uuid.UUID, started: datetime, now: datetime) -> None:
    """Leave this worker's sign of life; forget workers that have been silent for long."""
    values = {"host": socket.gethostname()[:200], "pid": os.getpid(), "started_at": started, "seen_at": now}
    WorkerBeat.objects.update_or_create(id=ident, defaults=values)
    WorkerBeat.objects.filter(seen_at__lt=now - _OLD_BEAT).delete()


def probes(now: datetime) -> None:
    """Write the probes that are due: on the timer, and for breakers whose pause is over."""
    Connector.objects.filter(breaker_until__lte=now, health=Health.THROTTLED).update(breaker_until=None)
    paused = Connector.objects.filter(deleted_at=None, breaker_until__lte=now)[:_MOST]
    for row in list(paused):
        Connector.objects.filter(pk=row.pk).update(breaker_until=now + _PROBE_LEASE, probe_at=now + PROBE_EVERY)
        _probe(row, now)
    due = Connector.objects.filter(deleted_at=None, status=Status.ACTIVE, breaker_until=None, probe_at__lte=now)[:_MOST]
    for row in list(due):
        Connector.objects.filter(pk=row.pk).update(probe_at=now + PROBE_EVERY)
        _probe(row, now)
    Call.objects.filter(kind__in=_ROUTINE, finished_at__lt=now - _KEEP_PROBES).delete()


def _probe(row: Connector, now: datetime) -> None:
    ask(CallKind.PROBE, row, now)


def ask(kind: CallKind, row: Connector, now: datetime, field: str = "") -> None:
    """Write a call that the engine itself wants made; `field` says about what."""
    Call.objects.create(
        id=new_id(now),
        kind=kind,
        field=field,
        connector=row,
        version_id=row.current_id,
        authority=row.authority,
        due_at=now,
        team_id=row.team_id,
        asked_by="engine",
        created_at=now,
    )
