"""Time, always handed in. The only module that may ask the operating system what time it is."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for measuring waits."""

    def now(self) -> datetime:
        """Return the wall time as an aware UTC datetime."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time as an aware UTC datetime."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to; safe to share between threads."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._monotonic = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the wall time as last set."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        with self._lock:
            return self._monotonic

    def advance(self, step: timedelta) -> None:
        """Let time pass: both wall and monotonic time move forward."""
        with self._lock:
            self._now += step
            self._monotonic += step.total_seconds()

    def jump(self, to: datetime) -> None:
        """Set the wall time alone, as an operator or NTP would."""
        with self._lock:
            self._now = to


SYSTEM_CLOCK: Clock = SystemClock()
