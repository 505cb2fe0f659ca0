"""The breaker of a connector: what keeps orders back while its CA is away, and how it is tried again.

Closed lets everything through. Open holds everything back until a moment, when one harmless probe goes out. Half-open
lets one act at a time through, after a probe passed or a credential changed: only what an act brings closes it.
Stopped waits for a person: a login that was refused so often is not tried again, so that no account is locked.

What is away is the CA, and never one order at it: a fault that may be one row's own (`Effect.ASK`) shuts nothing that is
closed. While half-open nobody knows, so then each fault shuts it for a moment, and another act is tried next.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chancery.core.effects import Effect
from chancery.core.retry import next_gap

LOGIN_TRIES = 3
"""Refused logins after which nothing logs in any more until a person has acted; most CAs lock an account at five."""
LONGEST = timedelta(seconds=30)
"""Longest pause between probes of a CA that is away."""
LOGIN_GAPS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1))
_LEAST = timedelta(seconds=1)


class Breaker(StrEnum):
    """Where it stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Standing:
    """A breaker. `until` is when an open one is probed; `sick_since` when it last stopped being closed."""

    state: Breaker = Breaker.CLOSED
    until: datetime | None = None
    failures: int = 0
    refusals: int = 0
    sick_since: datetime | None = None

    @property
    def holds(self) -> bool:
        """Say whether nothing may be started."""
        return self.until is not None or self.state is Breaker.STOPPED


@dataclass(frozen=True, slots=True)
class Fault:
    """What failed: its effect, whether it was a login that the CA refused, until when the CA wants to be left alone."""

    effect: Effect
    refused_login: bool = False
    until: datetime | None = None
    probe: bool = False


def failed(standing: Standing, fault: Fault, now: datetime, rng: random.Random) -> Standing:
    """Return the breaker after a fault of the connector.

    One outage fails many acts that were on their way; it counts once, and only probes prolong it. A refused login counts
    each time, since the CA counts it too, and a longer pause that the CA asks for is kept.
    """
    refusals = standing.refusals + fault.refused_login
    stop = refusals >= LOGIN_TRIES and fault.refused_login
    if standing.state is Breaker.STOPPED:
        return replace(standing, refusals=refusals)
    if fault.effect is Effect.ASK and standing.state is not Breaker.HALF_OPEN:
        return standing
    if standing.holds and not fault.probe:
        until = _later(standing.until, fault)
        return _stopped(standing, refusals) if stop else replace(standing, until=until, refusals=refusals)
    failures = standing.failures + 1
    since = standing.sick_since or now
    after = Standing(Breaker.OPEN, _pause(fault, failures, now, rng), failures, refusals, since)
    return _stopped(after, refusals) if stop else after


def login_gap(refused: int) -> timedelta:
    """Return the pause after the `refused`-th refusal of a login in a row (from 1)."""
    return LOGIN_GAPS[min(max(refused, 1), len(LOGIN_GAPS)) - 1]


def probed(standing: Standing, now: datetime) -> Standing:
    """Return the breaker after a probe that passed: what was shut is half-open, what was not stays as it was.

    The failures of before stay counted until an act succeeds: a CA whose login page works while its orders fail is
    tried ever more rarely, and not once a minute for ever.
    """
    if standing.holds:
        return replace(standing, state=Breaker.HALF_OPEN, until=None, sick_since=standing.sick_since or now)
    return standing if standing.state is Breaker.HALF_OPEN else Standing()


def _stopped(standing: Standing, refusals: int) -> Standing:
    return replace(standing, state=Breaker.STOPPED, until=None, refusals=refusals)


def _later(until: datetime | None, fault: Fault) -> datetime | None:
    if fault.effect is not Effect.SLOW_DOWN or fault.until is None or until is None:
        return until
    return max(until, fault.until)


def _pause(fault: Fault, failures: int, now: datetime, rng: random.Random) -> datetime:
    if fault.effect is Effect.SLOW_DOWN and fault.until is not None:
        return max(fault.until, now + _LEAST)
    if fault.effect is Effect.STOP_LOGIN:
        return now + login_gap(failures)
    if fault.effect is Effect.LOOK_FIRST and failures == 1:
        return now
    return now + min(next_gap(failures, rng), LONGEST)
