"""What comes round for the whole installation, done by one worker at a time, whichever comes first.

Each duty has a row; who locks it does the duty, in a transaction of its own, and sets its next time. So a duty that fails
takes neither the others nor the engine's turn with it, and a worker that is killed in the middle leaves nothing half done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, transaction

from chancery.apps.accounts import entering
from chancery.apps.acme import nonces
from chancery.apps.changes import actions as changes
from chancery.apps.health import record as health
from chancery.apps.health.models import Duty
from chancery.apps.notices import watch
from chancery.apps.pools import moving
from chancery.apps.posture import prints
from chancery.apps.renewals import planning, renewing
from chancery.apps.shared.actor import engine_actor
from chancery.core.clock import Clock
from chancery.engine import clocks, routine, watching
from chancery.engine.leading import Still
from chancery.engine.outbox import Outbox
from chancery.engine.proving import Validations

log = logging.getLogger("chancery.duties")
State = dict[str, Any]
_LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """A duty: its name, how often it comes round, and what is done, given what it remembered."""

    name: str
    every: timedelta
    act: Callable[[datetime, State], State]


def _prune(now: datetime, state: State) -> State:
    health.prune(now)
    watch.prune(now)
    nonces.prune(now)
    entering.prune(now)
    return state


def _apply_changes(now: datetime, state: State) -> State:
    for ident in changes.due(now):
        changes.apply_due(engine_actor(), ident)
    return state


ROUNDS: tuple[Round, ...] = (
    Round("engine.clock", timedelta(seconds=5), clocks.put_back),
    Round("pools.fail_over", timedelta(seconds=2), moving.fail_over),
    Round("renewals.plan", timedelta(seconds=5), planning.cover),
    Round("renewals.replan", timedelta(seconds=20), planning.recover),
    Round("renewals.renew", timedelta(seconds=3), renewing.renew),
    Round("renewals.hints", timedelta(seconds=15), routine.ask_hints),
    Round("orders.earlier", timedelta(seconds=30), watching.ask_earlier),
    Round("health.freshness", timedelta(seconds=60), routine.ask_freshness),
    Round("changes.apply", timedelta(seconds=5), _apply_changes),
    Round("health.prune", timedelta(minutes=5), _prune),
    Round("posture.prints", timedelta(seconds=30), prints.take),
    Round("notices.watch", timedelta(seconds=15), watch.watch),
)
"""Each is bounded, to some ten milliseconds: the worker's next turn waits for it."""


class Duties:
    """One per worker."""

    def __init__(self) -> None:
        self._last = self._sent = float("-inf")
        self._outbox, self._validations = Outbox(), Validations()

    def come_round(self, clock: Clock, still: Still = lambda: True) -> None:
        """Do what is due while `still` says that this worker leads; raises `OperationalError` alone."""
        if clock.monotonic() - self._last < _LOOK_EVERY:
            return
        self._last = clock.monotonic()
        now = clock.now()
        times = dict(Duty.objects.values_list("name", "next_at"))
        # Not at once: what has just been installed or restored comes to itself first.
        fresh = [Duty(name=one.name, next_at=now + one.every) for one in ROUNDS if one.name not in times]
        Duty.objects.bulk_create(fresh, ignore_conflicts=True)
        for one in ROUNDS:
            if one.name in times and _due(times[one.name], one, now):
                _guarded(one.name, lambda one=one: once(one, now, still), lambda one=one: _later(one, now))  # type: ignore[misc]  # the defaults bind this one

    def send(self, clock: Clock) -> None:
        """Send notices and look at names of ACME clients as they are due: any worker does, each claims its own."""
        if clock.monotonic() - self._sent < _LOOK_EVERY:
            return
        self._sent = clock.monotonic()
        _guarded("notices.send", lambda: self._outbox.turn(clock.now()))
        _guarded("acme.validate", lambda: self._validations.turn(clock.now()))

    def close(self) -> None:
        """Wait for notices that are on their way; what is not recorded is sent again after its lease."""
        self._outbox.close()
        self._validations.close()


def once(one: Round, now: datetime, still: Still = lambda: True) -> bool:
    """Do a duty if it is due, nobody else is at it, and this worker leads; returns whether it was done."""
    with transaction.atomic():
        row = Duty.objects.select_for_update(skip_locked=True).filter(pk=one.name).first()
        if row is None or not _due(row.next_at, one, now) or not still():
            return False
        row.state = one.act(now, row.state)
        row.next_at = now + one.every
        row.save()
        return True


def _due(next_at: datetime, one: Round, now: datetime) -> bool:
    """Say whether its time has come; a time too far ahead was written under a clock that was wrong."""
    return next_at <= now or next_at > now + one.every


def _later(one: Round, now: datetime) -> None:
    """Let a duty that failed wait for its next time, as one that was done."""
    Duty.objects.filter(pk=one.name).update(next_at=now + one.every)


def _guarded(name: str, act: Callable[[], Any], failed: Callable[[], Any] = lambda: None) -> None:
    try:
        act()
    except OperationalError:
        raise
    except Exception as error:
        # Not the traceback: it may quote what a CA or a service said.
        log.error("%s failed: %s", name, type(error).__name__)
        failed()
