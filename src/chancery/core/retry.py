"""How long to wait before trying again."""

from __future__ import annotations

import random
from datetime import timedelta

GAPS: tuple[tuple[float, str], ...] = (
    (1.5, "a dropped packet, or one node that restarts"),
    (5, "a service that restarts"),
    (15, "a short overload"),
    (30, "a failover at the CA"),
    (60, "an outage that people have begun to look at"),
    (120, "the same, still going on"),
    (300, "an outage worth an alarm"),
    (750, "a long outage: with the spread at most 15 minutes, so little is lost when it ends"),
)
"""Seconds before each further try, and what the gap is meant for. The last one repeats."""

_SPREAD = 0.2


def next_gap(attempt: int, rng: random.Random, left: timedelta | None = None) -> timedelta:
    """Return the wait after the `attempt`-th failure (from 1), spread by a fifth either way.

    `left` is the time until it is too late; no wait takes more than a tenth of it, so that a renewal
    that is running out is tried more often. What is too late already is in no hurry any more.
    """
    seconds = GAPS[min(max(attempt, 1), len(GAPS)) - 1][0] * rng.uniform(1 - _SPREAD, 1 + _SPREAD)
    gap = timedelta(seconds=seconds)
    return gap if left is None or left <= timedelta(0) else max(min(gap, left / 10), timedelta(seconds=1))
