"""Takes one order through its life in memory, by the engine's own table of consequences: what many orders are judged by."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any

from chancery.core.effects import Consequence, Doing, Retry, consequence
from chancery.core.order import State
from chancery.sdk.authority import Dedup, Request
from chancery.sdk.errors import AuthorityError, Throttled
from chancery.sdk.outcome import Absence, Issued, Outcome, Pending
from chancery.sdk.testing.bench import Bench

_LEAST = timedelta(seconds=1)
_BACKOFF = timedelta(seconds=60)
_BACK = timedelta(days=1)
_BLIND = 3
_STEPS = 80
_BY_HAND = "Look in the CA's own list for a certificate for this key."
_OPEN = {State.QUEUED, State.PENDING, State.OUTCOME_UNKNOWN}


class Desk:
    """One order: `state`, `reason`, `remedy` and `issued` say how it stands. It obeys `core/effects.py`, as the engine does.

    Time passes as the outcomes ask for it, and what an authority keeps goes through JSON. An order of which only a person
    can tell stays in `OUTCOME_UNKNOWN`, and is no longer `due`.
    """

    def __init__(self, bench: Bench, request: Request) -> None:
        self.bench, self.request = bench, request
        self.state, self.due = State.QUEUED, True
        self.reason = self.remedy = ""
        self.issued: Issued | None = None
        self.searched = False
        self._poll_state: dict[str, Any] = {}
        self._accepted, self._attempts, self._searches = "", 0, 0

    @property
    def goes_on(self) -> bool:
        """Say whether there is something to do without a person."""
        return self.due and self.state in _OPEN

    def finish(self) -> None:
        """Go on until it has ended, or a person has to decide."""
        for _ in range(_STEPS):
            if not self.goes_on:
                return
            self.step()
        msg = f"after {_STEPS} steps it is still {self.state}: {self.reason}"
        raise AssertionError(msg)

    def step(
        self, around: AbstractContextManager[object] | None = None, vanish: Callable[[], bool] = lambda: False
    ) -> None:
        """Take the step that is due, with `around` in force. Where `vanish` says so, the worker dies before it tells."""
        doing = {State.QUEUED: Doing.SUBMIT, State.PENDING: Doing.POLL}.get(self.state, Doing.SETTLE)
        with around or nullcontext():
            answer = self._asked(doing)
        if vanish():
            self._vanished(doing)
        elif isinstance(answer, AuthorityError):
            self._failed(answer, doing)
        elif isinstance(answer, Absence):
            self._absent(answer)
        else:
            self._brought(answer if doing is not Doing.SETTLE else answer.outcome)

    def _asked(self, doing: Doing) -> Any:
        bench, request = self.bench, self.request
        if doing is Doing.SUBMIT:
            return bench.tried("submit", request)
        if doing is Doing.POLL:
            return bench.tried("poll", json.loads(json.dumps(self._poll_state)), request)
        self.searched = True
        return bench.tried("find", request, request.intended_at - _BACK)

    def _brought(self, outcome: Outcome) -> None:
        if isinstance(outcome, Issued):
            self.state, self.issued = State.ISSUED, outcome
            return
        assert isinstance(outcome, Pending), f"{type(outcome).__name__} is neither Issued nor Pending"
        self.state, self._poll_state, self._attempts = State.PENDING, outcome.state, 0
        self._accepted = outcome.reference or self._accepted
        self._wait(outcome.next_check)

    def _failed(self, error: AuthorityError, doing: Doing) -> None:
        rule = consequence(error.kind, doing, bytes_sent=error.bytes_sent)
        self.state, self.reason, self.remedy = rule.target, error.message, error.remedy
        self._attempts += 1
        self._retry(rule, error.until if isinstance(error, Throttled) else None)

    def _retry(self, rule: Consequence, until: datetime | None) -> None:
        if rule.retry is Retry.NEVER:
            self.due = False
        elif rule.retry is Retry.AFTER_LAG:
            self._search()
        else:
            now = self.bench.case.clock.now()
            self._wait(until - now if until is not None else _BACKOFF)

    def _search(self) -> None:
        self.due = "finds" in self.bench.about.powers
        self._wait(self.bench.about.facts.search_lag)

    def _absent(self, found: Absence) -> None:
        self._searches += 1
        self.reason, self.remedy = found.evidence, _BY_HAND
        if self._accepted:
            self.due, self.reason = False, f"{found.evidence} But the CA had accepted it as {self._accepted}."
        elif self._searches < self.bench.about.facts.search_tries:
            self._wait(self.bench.about.facts.search_lag)
        elif self._attempts >= _BLIND:
            self.due = False
        else:
            self.state, self._searches, self._attempts = State.QUEUED, 0, self._attempts + 1

    def _vanished(self, doing: Doing) -> None:
        """Do as the claim of an expired lease does: nothing that may have ordered is repeated blindly."""
        facts = self.bench.about.facts
        self.bench.live = self.bench.fresh()
        self._wait(facts.lease)
        again = {Doing.SUBMIT: facts.dedup.harmless}
        again[Doing.POLL] = not facts.polls_are_acts or facts.dedup is Dedup.RETURN_ORIGINAL
        if not again.get(doing, True):
            self.state, self.reason = State.OUTCOME_UNKNOWN, "The worker that was talking to the CA vanished."
            self.remedy = _BY_HAND
            self._search()

    def _wait(self, time: timedelta) -> None:
        self.bench.case.clock.advance(max(time, _LEAST))
