"""Counts how calls went, in memory, and adds it to the tables every few seconds in the worker's own turn.

Seats and signing processes report what they did with the time that it took. Nothing is written for a single call: the
engine finishes thousands of orders in a second, and what is wanted of them here is a dozen numbers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from chancery.apps.health import record
from chancery.apps.health.models import ANSWERED, ISSUED
from chancery.apps.health.record import Key, Tally
from chancery.core.effects import KINDS
from chancery.engine.jobs import Answered, Bad, Failed, Good, Job, Kind, Result, Stopped

EVERY = 5.0
"""Seconds between two additions to the tables."""
MISMATCH = "Mismatch"
"""What came back was not what was ordered."""


class Meter:
    """Safe to share between threads; one per worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: dict[Key, Tally] = {}
        self._leaving: dict[Key, Tally] = {}
        self._last = float("-inf")

    def seen(self, pairs: Sequence[tuple[Job, Result]], seconds: float) -> None:
        """Count jobs that were done together, in `seconds` each."""
        alike: dict[Key, int] = {}
        for job, result in pairs:
            key = _key(job, result)
            if key is not None:
                alike[key] = alike.get(key, 0) + 1
        with self._lock:
            for key, number in alike.items():
                self._fresh.setdefault(key, Tally()).add(number, seconds)

    def flush(self, now: datetime, moment: float) -> None:
        """Add what was counted to the tables, inside the caller's transaction, if it is time (`moment`: monotonic).

        What a transaction took with it when it was rolled back is added once more by the next one.
        """
        if moment - self._last < EVERY:
            return
        self._last = moment
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        for key, tally in fresh.items():
            self._leaving.setdefault(key, Tally()).merge(tally)
        if self._leaving:
            record.add(self._leaving, now)
            transaction.on_commit(self._left)

    def _left(self) -> None:
        self._leaving = {}


def _key(job: Job, result: Result) -> Key | None:
    """Return what a result is counted under; None for what reached no CA, or is of no connector."""
    if job.connector is None or isinstance(result, Stopped):
        return None
    operation = str(job.extra["kind"]) if job.kind is Kind.CALL else str(job.kind)
    return job.connector, operation, _outcome(result)


def _outcome(result: Result) -> str:
    if isinstance(result, Good):
        return ISSUED
    if isinstance(result, Answered) and result.fault is not None:
        result = result.fault
    if isinstance(result, Failed):
        # Somebody else's authority may call its errors anything, and each is a row for good.
        return result.kind if result.kind in KINDS else "Bug"
    return MISMATCH if isinstance(result, Bad) else ANSWERED
