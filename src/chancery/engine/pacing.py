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
SEATS = 512
"""Calls under way at once in one worker. A thread that waits for a CA costs little, and one made is used again."""


class Pacer:
    """Counts what is under way and refills tokens; one per worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._busy: dict[UUID, int] = {}
        self._tokens: dict[UUID, tuple[float, float]] = {}
        self._called: set[UUID] = set()

    def room(self, connector: UUID, facts: Facts) -> int:
        """Return how many acts may start now."""
        free = facts.concurrency - self._busy.get(connector, 0)
        most = _TURN if facts.cpu_bound else min(_REMOTE_TURN, self._seats_left())
        return max(0, min(free, most, int(self._refilled(connector, facts))))

    def started(self, connector: UUID, facts: Facts, number: int) -> None:
        """Take seats and tokens."""
        self._tokens[connector] = (self._refilled(connector, facts) - number, self._clock.monotonic())
        self._busy[connector] = self._busy.get(connector, 0) + number
        if not facts.cpu_bound:
            self._called.add(connector)

    def ended(self, connector: UUID, number: int = 1) -> None:
        """Give seats back."""
        self._busy[connector] = max(0, self._busy.get(connector, 0) - number)
        if not self._busy[connector]:
            self._called.discard(connector)

    def seats(self) -> dict[UUID, int]:
        """Return connector → seats taken, to come back to when a claim is not committed."""
        return dict(self._busy)

    def back_to(self, seats: dict[UUID, int]) -> None:
        """Forget what was started since `seats` was read."""
        self._busy = dict(seats)

    def busy(self) -> int:
        """Return how many acts are under way."""
        return sum(self._busy.values())

    def _seats_left(self) -> int:
        """Return how many seats one connector may take: half of what is free, so that many slow ones leave some to the next.

        What is claimed has a seat at once: an order that waited for one would use up its lease with nothing sent.
        """
        taken = sum(self._busy.get(connector, 0) for connector in self._called)
        return max(0, SEATS - taken + 1) // 2

    def _refilled(self, connector: UUID, facts: Facts) -> float:
        now = self._clock.monotonic()
        tokens, since = self._tokens.get(connector, (float(facts.burst), now))
        return min(float(facts.burst), tokens + (now - since) * facts.calls_per_second)
