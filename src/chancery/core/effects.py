"""What an error means, as a table: (error × what was being done × bytes sent) → move, effect, retry.

The engine looks a row up and obeys. Tests walk every cell, so a new kind of error cannot be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chancery.core.order import State


class Doing(StrEnum):
    """The order's call that failed."""

    SUBMIT = "submit"
    POLL = "poll"
    SETTLE = "settle"


class Effect(StrEnum):
    """What the failure says about the connector.

    LOOK_FIRST holds everything back until a probe has passed, and sends that probe at once: a CA that answers with
    its maintenance page would else take the whole queue with it, each order into an unknown outcome.
    """

    NONE = "none"
    SLOW_DOWN = "slow_down"
    LOOK_FIRST = "look_first"
    OPEN_BREAKER = "open_breaker"
    STOP_LOGIN = "stop_login"


class Retry(StrEnum):
    """When to look again."""

    NEVER = "never"
    BACKOFF = "backoff"
    WHEN_TOLD = "when_told"
    WHEN_HEALTHY = "when_healthy"
    AFTER_LAG = "after_lag"


@dataclass(frozen=True, slots=True)
class Consequence:
    """The order's next state, what happens to the connector, and when the order is due again."""

    target: State
    effect: Effect
    retry: Retry


_Q, _P, _U = State.QUEUED, State.PENDING, State.OUTCOME_UNKNOWN
_E, _R = Effect, Retry

_WAIT_HEALTHY = (_E.OPEN_BREAKER, _R.WHEN_HEALTHY)
_LOGIN = (_E.STOP_LOGIN, _R.WHEN_HEALTHY)
_SLOW = (_E.SLOW_DOWN, _R.WHEN_TOLD)
_FINAL = (_E.NONE, _R.NEVER)
_SEARCH = (_E.NONE, _R.AFTER_LAG)
_AGAIN = (_E.NONE, _R.BACKOFF)
_LOOK = (_E.LOOK_FIRST, _R.AFTER_LAG)
_LOOK_AGAIN = (_E.LOOK_FIRST, _R.BACKOFF)

# A refusal (login, right, quota, rate, policy) is an answer: the CA said no, so nothing was ordered,
# whether or not bytes were sent. Only errors without a trustworthy answer depend on the bytes.
_SUBMIT: dict[str, Consequence] = {
    "Unreachable": Consequence(_Q, *_WAIT_HEALTHY),
    "OutcomeUnknown": Consequence(_U, *_LOOK),
    "Throttled": Consequence(_Q, *_SLOW),
    "QuotaExhausted": Consequence(_Q, *_WAIT_HEALTHY),
    "AuthFailed": Consequence(_Q, *_LOGIN),
    "Forbidden": Consequence(_Q, *_LOGIN),
    "RejectedByPolicy": Consequence(State.REJECTED, *_FINAL),
    "ValidationFailed": Consequence(State.REJECTED, *_FINAL),
    "NotFound": Consequence(State.REJECTED, *_FINAL),
    "AlreadyDone": Consequence(_U, *_SEARCH),
    "ProtocolViolation": Consequence(_U, *_LOOK),
    "Bug": Consequence(_U, *_SEARCH),
}
_SUBMIT_UNSENT = {kind: Consequence(_Q, *_LOOK_AGAIN) for kind in ("OutcomeUnknown", "ProtocolViolation")}
_SUBMIT_UNSENT["Bug"] = Consequence(_Q, *_AGAIN)

_POLL: dict[str, Consequence] = {
    "Unreachable": Consequence(_P, *_WAIT_HEALTHY),
    "OutcomeUnknown": Consequence(_P, *_AGAIN),
    "Throttled": Consequence(_P, *_SLOW),
    "QuotaExhausted": Consequence(_P, *_WAIT_HEALTHY),
    "AuthFailed": Consequence(_P, *_LOGIN),
    "Forbidden": Consequence(_P, *_LOGIN),
    "RejectedByPolicy": Consequence(State.REJECTED, *_FINAL),
    "ValidationFailed": Consequence(State.REJECTED, *_FINAL),
    "NotFound": Consequence(_U, *_SEARCH),
    "AlreadyDone": Consequence(_P, *_AGAIN),
    "ProtocolViolation": Consequence(_P, *_AGAIN),
    "Bug": Consequence(_P, *_AGAIN),
}
_SETTLE: dict[str, Consequence] = {kind: Consequence(_U, rule.effect, rule.retry) for kind, rule in _POLL.items()}
# The search found the order, and it has come to nothing there: that settles it.
_SETTLE |= {kind: Consequence(State.REJECTED, *_FINAL) for kind in ("RejectedByPolicy", "ValidationFailed")}
_BY_DOING = {Doing.SUBMIT: _SUBMIT, Doing.POLL: _POLL, Doing.SETTLE: _SETTLE}

KINDS: tuple[str, ...] = tuple(_SUBMIT)
"""Every kind of error there is; `Bug` is anything that is not an authority's error."""


def consequence(kind: str, doing: Doing, *, bytes_sent: bool) -> Consequence:
    """Return what to do about an error; an unlisted kind is treated as a bug."""
    if doing is Doing.SUBMIT and not bytes_sent and kind in _SUBMIT_UNSENT:
        return _SUBMIT_UNSENT[kind]
    rules = _BY_DOING[doing]
    return rules.get(kind, rules["Bug"])
