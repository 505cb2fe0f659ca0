"""How fast a connector may be called: seats at once and calls per second, kept at claim time."""

from __future__ import annotations

from uuid import UUID

from chancery.core.clock import Clock
from chancery.sdk.authority import Facts

BATCH = 100
"""Certificates that a signing process makes before it reports."""
_TURN = 400
_REMOTE_TURN = 10
"""Acts claimed in one turn: many for an authority that signs here, few for one that is called over the network."""


class Pacer:
    """Counts what is under way and refills tokens; one per worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._busy: dict[UUID, int] = {}
        self._tokens: dict[UUID, tuple[float, float]] = {}

    def room(self, connector: UUID, facts: Facts) -> int:
        """Return how many acts may start now."""
        free = facts.concurrency - self._busy.get(connector, 0)
        most = _TURN if facts.cpu_bound else _REMOTE_TURN
        return max(0, min(free, most, int(self._refilled(connector, facts))))

    def started(self, connector: UUID, facts: Facts, number: int) -> None:
        """Take seats and tokens."""
        self._tokens[connector] = (self._refilled(connector, facts) - number, self._clock.monotonic())
        self._busy[connector] = self._busy.get(connector, 0) + number

    def ended(self, connector: UUID, number: int = 1) -> None:
        """Give seats back."""
        self._busy[connector] = max(0, self._busy.get(connector, 0) - number)

    def seats(self) -> dict[UUID, int]:
        """Return connector → seats taken, to come back to when a claim is not committed."""
        return dict(self._busy)

    def back_to(self, seats: dict[UUID, int]) -> None:
        """Forget what was started since `seats` was read."""
        self._busy = dict(seats)

    def busy(self) -> int:
        """Return how many acts are under way."""
        return sum(self._busy.values())

    def _refilled(self, connector: UUID, facts: Facts) -> float:
        now = self._clock.monotonic()
        tokens, since = self._tokens.get(connector, (float(facts.burst), now))
        return min(float(facts.burst), tokens + (now - since) * facts.calls_per_second)
