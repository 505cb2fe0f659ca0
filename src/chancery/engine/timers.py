"""What comes round by itself: signs of life, probes, and closing breakers."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from chancery.apps.connectors.models import BreakerState, Call, CallKind, Connector, Health, Status
from chancery.apps.health import nodes
from chancery.core.ids import new_id

PROBE_EVERY = timedelta(seconds=60)
_ASKED_AT_MOST = timedelta(seconds=10)
"""However many acts ask for a probe of a connector, there is one so often at most."""
_PROBE_LEASE = timedelta(seconds=30)
_KEEP_PROBES = timedelta(hours=1)
_MOST = 50
_ROUTINE = (CallKind.PROBE, CallKind.FRESHNESS, CallKind.HINT, CallKind.EARLIER)
"""Calls that nobody asked for; what came of them stands elsewhere, so they are not kept for long."""


def beat(ident: uuid.UUID, started: datetime, now: datetime) -> None:
    """Leave this worker's sign of life; forget nodes that have been silent for long."""
    nodes.beat(ident, started, now)


def probes(now: datetime) -> None:
    """Write the probes that are due: on the timer, and for breakers whose pause is over.

    Each takes its turn by a conditional update, so that of two workers that believe they lead one writes it.
    """
    throttled = Connector.objects.filter(breaker_until__lte=now, health=Health.THROTTLED)
    throttled.update(breaker_until=None, breaker=BreakerState.HALF_OPEN)
    known = Connector.objects.filter(deleted_at=None).exclude(breaker=BreakerState.STOPPED)
    for row in list(known.filter(breaker_until__lte=now)[:_MOST]):
        same = Connector.objects.filter(pk=row.pk, breaker_until=row.breaker_until)
        if same.update(breaker_until=now + _PROBE_LEASE, probe_at=now + PROBE_EVERY):
            _probe(row, now)
    for row in list(known.filter(status=Status.ACTIVE, breaker_until=None, probe_at__lte=now)[:_MOST]):
        if Connector.objects.filter(pk=row.pk, probe_at=row.probe_at).update(probe_at=now + PROBE_EVERY):
            _probe(row, now)
    Call.objects.filter(kind__in=_ROUTINE, finished_at__lt=now - _KEEP_PROBES).delete()


def sooner(probe_at: datetime | None, now: datetime) -> datetime:
    """Return when a connector is probed next whose next probe was due at `probe_at`, and about which there is a doubt.

    One that was probed just now is left to its timer, or to the next doubt.
    """
    due = probe_at or now
    return due if due - now > PROBE_EVERY - _ASKED_AT_MOST else min(due, now)


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
