"""How fast a connector may be called: a bucket of tokens, and lanes in which the urgent never waits for the rest.

Pure: the bucket is kept wherever all who draw from it can see it, and every rule here is given the moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

SLOWEST = 1 / 32
"""No CA that asks for patience is slowed down further than to this share of its rate."""
RECOVERS = timedelta(minutes=1)
"""After a CA asked for patience its rate doubles again every so often, until it is what it was."""
_WRONG_CLOCK = timedelta(seconds=30)
"""A moment further ahead than this was written under a clock that was wrong."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls at once, calls per second in the long run, and how many may go at once after a rest."""

    seats: int
    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens as they were at a moment. `slowed` (0 to 1) is the share of the rate that held from `slowed_at` on."""

    tokens: float
    at: datetime
    slowed: float = 1.0
    slowed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """How many acts may start now: `urgent` ones (revocations), and others; both draw from the same bucket."""

    urgent: int
    others: int


def shares(wanted: Sequence[int], most: int) -> list[int]:
    """Return how many of `most` places each gets: as many as the others, but none more than it wants."""
    given, left = [0] * len(wanted), most
    asking = [at for at, number in enumerate(wanted) if number]
    while left and asking:
        each = max(1, left // len(asking))
        for at in asking:
            more = min(each, wanted[at] - given[at], left)
            given[at] += more
            left -= more
        asking = [at for at in asking if given[at] < wanted[at]]
    return given


def reserve(number: int) -> int:
    """Return how many of `number` seats or tokens only a revocation may take: one, where there is more than one."""
    return 1 if number > 1 else 0


def share(slowed: float, slowed_at: datetime | None, now: datetime) -> float:
    """Return the share of its rate at which a connector is called now, after the CA last asked for patience."""
    if slowed_at is None or slowed >= 1.0:
        return 1.0
    steps = max(0.0, (now - slowed_at) / RECOVERS)
    return 1.0 if steps > 10 else min(1.0, slowed * 2**steps)


def slower(slowed: float, slowed_at: datetime | None, now: datetime) -> float:
    """Return the share after the CA asked for patience at `now`: half of what it was."""
    return max(SLOWEST, share(slowed, slowed_at, now) / 2)


def refilled(bucket: Bucket, limits: Limits, now: datetime) -> Bucket:
    """Return the bucket at `now`. Nothing was saved up before the CA's pause ended, and no clock runs backwards."""
    began, tokens = bucket.at, bucket.tokens
    if bucket.slowed_at is not None and began < bucket.slowed_at <= now:
        began, tokens = bucket.slowed_at, min(tokens, 1.0)
    if began > now:
        return replace(bucket, at=now) if began - now > _WRONG_CLOCK else bucket
    # The share of the beginning, which is the smaller one: while a rate recovers, too little is better than too much.
    rate = limits.rate * share(bucket.slowed, bucket.slowed_at, began)
    return replace(bucket, tokens=min(float(limits.burst), tokens + (now - began).total_seconds() * rate), at=now)


def room(bucket: Bucket, limits: Limits, taken: int) -> Room:
    """Return what may start from a refilled bucket, where `taken` seats are taken by whoever draws from it."""
    free, tokens = limits.seats - taken, int(bucket.tokens)
    others = min(free - reserve(limits.seats), tokens - reserve(limits.burst))
    return Room(max(0, min(free, tokens)), max(0, others))


def spent(bucket: Bucket, number: int) -> Bucket:
    """Return the bucket after `number` acts were begun."""
    return replace(bucket, tokens=bucket.tokens - number)
