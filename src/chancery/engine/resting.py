"""Connectors whose work is due and cannot be begun, such as orders held at one that is off: not asked at each look.

To find nothing to begin costs half a dozen statements for each of them, and while a CA is away nothing else may be due.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from chancery.core.clock import Clock

REST = 1.0
"""Seconds until one is asked again where nothing was heard to have changed meanwhile."""


class Resting:
    """One per worker, for its main thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[UUID, float] = {}

    def nothing_to_begin(self, connector: UUID) -> None:
        """Leave it alone for a while."""
        self._until[connector] = self._clock.monotonic() + REST

    def something_changed(self) -> None:
        """Ask all of them again."""
        self._until.clear()

    def awake(self, connectors: Iterable[UUID]) -> list[UUID]:
        """Return those that are to be asked now."""
        now = self._clock.monotonic()
        return [ident for ident in connectors if self._until.get(ident, now) <= now]
