"""Connectors whose work is due and cannot be begun, such as orders held at one that is off: not asked at each look.

To find nothing to begin costs half a dozen statements for each of them, and while a CA is away nothing else may be due.
"""

from __future__ import annotations

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

    def rests(self, connector: UUID) -> bool:
        """Say whether it is not to be asked now."""
        return self._until.get(connector, float("-inf")) > self._clock.monotonic()
