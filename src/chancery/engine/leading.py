"""Which worker sees to what comes round by itself: probes, duties, and the notary's threads.

The lease is a row, renewed every second and over after five. Its time is the database's, so workers whose clocks differ
agree on it. Leading saves work and says who does it; it is no lock. A worker that was paused, and wakes up believing that it
still leads, is told otherwise by the fence before it does anything, and what it had begun is undone by its rows' own locks
and conditions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, connection
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from chancery.apps.health.models import Lead
from chancery.apps.health.nodes import TIMERS
from chancery.core.clock import Clock

log = logging.getLogger("chancery.worker")
LEASE = timedelta(seconds=5)
_EVERY = 1.0
Still = Callable[[], bool]


class Leading:
    """One per worker; read by its other threads."""

    def __init__(self, node: UUID, clock: Clock) -> None:
        self._node, self._clock = node, clock
        self._looked = self._until = float("-inf")
        self._fence = -1

    @property
    def held(self) -> bool:
        """Say whether this worker may believe that it leads."""
        return self._clock.monotonic() < self._until

    def renew(self) -> None:
        """Take or keep the lead, once a second; a statement of its own, so that nobody waits for a turn's end."""
        begun = self._clock.monotonic()
        if begun - self._looked < _EVERY:
            return
        self._looked = begun
        before, took = self._fence, self._take()
        if took and before != self._fence:
            log.info("this worker leads in what comes round by itself")
        # From before the question on: the row may be older than the answer, never younger.
        self._until = begun + LEASE.total_seconds() if took else float("-inf")

    def _take(self) -> bool:
        if connection.vendor == "sqlite":
            # A lock file lets no second worker run, so whoever asks is the only one.
            free: Q = Q()
            until: Combinable = Value(self._clock.now() + LEASE)
        else:
            free, until = Q(holder=self._node) | Q(until__lt=Now()), Now() + LEASE
        fence = Case(When(holder=self._node, then=F("fence")), default=F("fence") + 1)
        row = Lead.objects.filter(pk=TIMERS)
        if not row.exists():
            first = Lead(name=TIMERS, holder=self._node, fence=0, until=self._clock.now())
            Lead.objects.bulk_create([first], ignore_conflicts=True)
        if not row.filter(free).update(holder=self._node, fence=fence, until=until):
            return False
        self._fence = row.values_list("fence", flat=True).get()
        return True

    def still(self) -> bool:
        """Ask the table whether nobody else has taken the lead; for whoever is about to do what the lead allows."""
        return Lead.objects.filter(pk=TIMERS, holder=self._node, fence=self._fence).exists()

    def resign(self) -> None:
        """Let another worker lead at once; where the database is away, the lease's end says the same."""
        if not self.held:
            return
        self._until = float("-inf")
        try:
            Lead.objects.filter(pk=TIMERS, holder=self._node, fence=self._fence).update(until=Now())
        except DatabaseError:
            log.error("the database does not answer; another worker leads when the lease is over")
