"""How fast connectors are called: seats at once and calls per second, kept at claim time for all workers together.

What is called outside shares a row of the database for each connector, which the worker that claims has locked: another
worker passes the connector over until its next turn. An authority that signs here is limited by its processors alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from chancery.apps.connectors.models import Pace
from chancery.apps.shared.returning import execute
from chancery.core import pacing
from chancery.core.clock import Clock
from chancery.core.pacing import Bucket, Room
from chancery.engine.claim import Ready
from chancery.sdk.authority import Facts

BATCH = 100
"""Certificates that a signing process makes before it reports."""
SEATS = 512
"""Calls under way at once in one worker. A thread that waits for a CA costs little, and one made is used again."""
_TURN = 400
_REMOTE_TURN = 64
"""Acts claimed in one turn: many for an authority that signs here, fewer for one that is called over the network."""
KEEP = timedelta(seconds=6)
"""How long seats count without a word of the worker that has them: one that was killed gives them back then."""
_AHEAD, _MOST_AHEAD = 2 * KEEP, 1000
"""From then on a word is of a worker whose clock is ahead; of so many it is remembered when it came."""
_TAKEN = "UPDATE connectors_pace SET tokens = %s, at = %s, seats = %s, turn = %s WHERE connector_id = %s"
Kept = tuple[dict[UUID, int], dict[UUID, tuple[int, datetime]]]


class Pacer:
    """Counts what is under way; one per worker. What it shares with others lies in `Pace`."""

    def __init__(self, clock: Clock, worker: UUID) -> None:
        self._clock, self._worker = clock, str(worker)
        self._busy: dict[UUID, int] = {}
        self._told: dict[UUID, tuple[int, datetime]] = {}
        self._tokens: dict[UUID, tuple[float, float]] = {}
        self._ahead: dict[tuple[UUID, str], tuple[str, float]] = {}

    def room(self, ready: Ready, now: datetime) -> Room:
        """Return how many acts of a connector may start now."""
        if ready.pace is None:
            alone = self.alone(ready.id, ready.facts)
            return Room(alone, alone)
        taken = self._others(ready.pace, now) + self._busy.get(ready.id, 0)
        if ready.half_open:
            one = 1 if taken == 0 else 0
            return Room(one, one)
        found = pacing.room(self._bucket(ready, now), ready.limits, taken)
        # No connector takes more than half of what is free, so that many slow ones leave a seat to the next.
        most = min(_REMOTE_TURN, (self._free() + 1) // 2)
        return Room(min(found.urgent, most), min(found.others, most))

    def begun(self, ready: Ready, number: int, now: datetime) -> None:
        """Take seats and tokens; one statement, and only where acts were claimed."""
        if ready.pace is None:
            self.begun_alone(ready.id, ready.facts, number)
            return
        self._busy[ready.id] = self._busy.get(ready.id, 0) + number
        bucket = pacing.spent(self._bucket(ready, now), number)
        self._tell(ready.pace, now)
        pace = ready.pace
        pace.tokens, pace.at = bucket.tokens, bucket.at
        execute(_TAKEN, [pace.tokens, pace.at, json.dumps(pace.seats), pace.turn, pace.pk])

    def alone(self, ident: UUID, facts: Facts) -> int:
        """Return how many acts may start now that no other worker counts."""
        free = facts.concurrency - self._busy.get(ident, 0)
        return max(0, min(free, _TURN if facts.cpu_bound else _REMOTE_TURN, int(self._refilled(ident, facts))))

    def begun_alone(self, ident: UUID, facts: Facts, number: int) -> None:
        """Take seats and tokens that no other worker counts."""
        self._tokens[ident] = (self._refilled(ident, facts) - number, self._clock.monotonic())
        self._busy[ident] = self._busy.get(ident, 0) + number

    def ended(self, connector: UUID, number: int = 1) -> None:
        """Give seats back."""
        self._busy[connector] = max(0, self._busy.get(connector, 0) - number)

    def share(self, now: datetime) -> None:
        """Tell the other workers of seats that were given back, and that those still taken are; used inside a transaction."""
        for pace in _locked([ident for ident, told in self._told.items() if self._is_stale(ident, *told, now)]):
            self._tell(pace, now)
            pace.save(update_fields=["seats"])
            if not self._told[pace.pk][0]:
                del self._told[pace.pk]

    def _is_stale(self, ident: UUID, number: int, at: datetime, now: datetime) -> bool:
        return number != self._busy.get(ident, 0) or abs(now - at) > KEEP / 3

    def leave(self, now: datetime) -> None:
        """Give every seat back for good."""
        self._busy = {}
        self.share(now)

    def seats(self) -> Kept:
        """Return what is taken, and what others were told of it, to come back to when a claim is not committed."""
        return dict(self._busy), dict(self._told)

    def back_to(self, kept: Kept) -> None:
        """Forget what was started since `kept` was read."""
        self._busy, self._told = dict(kept[0]), dict(kept[1])

    def busy(self) -> int:
        """Return how many acts are under way."""
        return sum(self._busy.values())

    def _free(self) -> int:
        return max(0, SEATS - sum(self._busy.get(ident, 0) for ident in self._told))

    def _tell(self, pace: Pace, now: datetime) -> None:
        mine = self._busy.get(pace.pk, 0)
        pace.seats.pop(self._worker, None)
        if mine:
            pace.seats[self._worker] = [mine, (now + KEEP).isoformat()]
        self._told[pace.pk] = (mine, now)

    def _others(self, pace: Pace, now: datetime) -> int:
        """Return the seats of other workers, forgetting those of workers that vanished."""
        mine = self._worker
        held = {w: [n, until] for w, (n, until) in pace.seats.items() if w == mine or self._counts(pace, w, until, now)}
        pace.seats = held
        return sum(number for worker, (number, _until) in held.items() if worker != mine)

    def _counts(self, pace: Pace, worker: str, until: str, now: datetime) -> bool:
        """Say whether seats are still taken that count until then; by a clock that is ahead, while there is word of them."""
        if until <= (now + _AHEAD).isoformat():
            return until > now.isoformat()
        # One that was killed would keep them for as long as its clock was ahead, and its connector would wait for that.
        key, moment = (pace.pk, worker), self._clock.monotonic()
        if len(self._ahead) >= _MOST_AHEAD:
            self._ahead.clear()
        known, since = self._ahead.get(key, ("", moment))
        self._ahead[key] = (until, since if known == until else moment)
        return moment - self._ahead[key][1] < KEEP.total_seconds()

    def _bucket(self, ready: Ready, now: datetime) -> Bucket:
        pace = ready.pace
        if pace is None or pace.tokens is None or pace.at is None:
            return Bucket(float(ready.limits.burst), now, ready.slowed, ready.slowed_at)
        return pacing.refilled(Bucket(pace.tokens, pace.at, ready.slowed, ready.slowed_at), ready.limits, now)

    def _refilled(self, ident: UUID, facts: Facts) -> float:
        now = self._clock.monotonic()
        tokens, since = self._tokens.get(ident, (float(facts.burst), now))
        return min(float(facts.burst), tokens + (now - since) * facts.calls_per_second)


def _locked(idents: Iterable[UUID]) -> list[Pace]:
    wanted = list(idents)
    rows = Pace.objects.filter(pk__in=wanted)
    return (
        list(rows.select_for_update(skip_locked=True) if connection.vendor == "postgresql" else rows) if wanted else []
    )
