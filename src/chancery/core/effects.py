"""What an error means, as a table: (error × what was being done × bytes sent) → move, effect, retry.

The engine looks a row up and obeys. Tests walk every cell, so a new kind of error cannot be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from chancery.core.order import State


class Doing(StrEnum):
    """The order's call that failed."""

    SUBMIT = "submit"
    POLL = "poll"
    SETTLE = "settle"


class Effect(StrEnum):
    """What the failure says about the connector.

    ASK has it probed at once and holds nothing back: the CA may be ill, or this one row, and the probe tells which.
    LOOK_FIRST holds everything back until a probe has passed, and sends that probe at once: a CA that answers with
    its maintenance page would else take the whole queue with it, each order into an unknown outcome.
    """

    NONE = "none"
    ASK = "ask"
    SLOW_DOWN = "slow_down"
    LOOK_FIRST = "look_first"
    OPEN_BREAKER = "open_breaker"
    STOP_LOGIN = "stop_login"


class Retry(StrEnum):
    """When to look again."""

    NEVER = "never"
    BACKOFF = "backoff"
    LOGIN = "login"
    WHEN_TOLD = "when_told"
    AFTER_LAG = "after_lag"


@dataclass(frozen=True, slots=True)
class Consequence:
    """The order's next state, what happens to the connector, and when the order is due again."""

    target: State
    effect: Effect
    retry: Retry


_Q, _P, _U = State.QUEUED, State.PENDING, State.OUTCOME_UNKNOWN
_E, _R = Effect, Retry

_AWAY = (_E.OPEN_BREAKER, _R.BACKOFF)
_LOGIN = (_E.STOP_LOGIN, _R.LOGIN)
_DOUBT = (_E.ASK, _R.BACKOFF)
_SLOW = (_E.SLOW_DOWN, _R.WHEN_TOLD)
_FINAL = (_E.NONE, _R.NEVER)
_SEARCH = (_E.NONE, _R.AFTER_LAG)
_AGAIN = (_E.NONE, _R.BACKOFF)
_LOOK = (_E.LOOK_FIRST, _R.AFTER_LAG)
_LOOK_AGAIN = (_E.LOOK_FIRST, _R.BACKOFF)

# A refusal (login, right, quota, rate, policy) is an answer: the CA said no, so nothing was ordered,
# whether or not bytes were sent. Only errors without a trustworthy answer depend on the bytes.
_SUBMIT: dict[str, Consequence] = {
    "Unreachable": Consequence(_Q, *_AWAY),
    "OutcomeUnknown": Consequence(_U, *_LOOK),
    "Throttled": Consequence(_Q, *_SLOW),
    "QuotaExhausted": Consequence(_Q, *_AWAY),
    "AuthFailed": Consequence(_Q, *_LOGIN),
    "Forbidden": Consequence(_Q, *_AWAY),
    "RejectedByPolicy": Consequence(State.REJECTED, *_FINAL),
    "ValidationFailed": Consequence(State.REJECTED, *_FINAL),
    "NotFound": Consequence(State.REJECTED, *_FINAL),
    "AlreadyDone": Consequence(_U, *_SEARCH),
    "ProtocolViolation": Consequence(_U, *_LOOK),
    "Bug": Consequence(_U, *_SEARCH),
}
_SUBMIT_UNSENT = {kind: Consequence(_Q, *_LOOK_AGAIN) for kind in ("OutcomeUnknown", "ProtocolViolation")}
_SUBMIT_UNSENT["Bug"] = Consequence(_Q, *_AGAIN)

# One thing that is asked about says little about the rest: 5xx for one order, or a right that one act lacks. New orders
# would be sent into what a CA that is away makes of them; a look that fails costs nothing, so it opens no breaker.
_POLL: dict[str, Consequence] = {
    "Unreachable": Consequence(_P, *_DOUBT),
    "OutcomeUnknown": Consequence(_P, *_AGAIN),
    "Throttled": Consequence(_P, *_SLOW),
    "QuotaExhausted": Consequence(_P, *_DOUBT),
    "AuthFailed": Consequence(_P, *_LOGIN),
    "Forbidden": Consequence(_P, *_DOUBT),
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

_HOLD = {Effect.LOOK_FIRST, Effect.OPEN_BREAKER, Effect.STOP_LOGIN}
_REPEATED = {Retry.BACKOFF, Retry.LOGIN}

KINDS: tuple[str, ...] = tuple(_SUBMIT)
"""Every kind of error there is; `Bug` is anything that is not an authority's error."""


def consequence(kind: str, doing: Doing, *, bytes_sent: bool, again: bool = False) -> Consequence:
    """Return what to do about an error; an unlisted kind is treated as a bug.

    `again` says that the same order's last act failed too. Then the fault may well be its own, and it waits by itself: the
    connector is probed and held back no further, unless the CA asked for patience, or the order is not simply repeated.
    """
    if doing is Doing.SUBMIT and not bytes_sent and kind in _SUBMIT_UNSENT:
        rule = _SUBMIT_UNSENT[kind]
    else:
        rule = _BY_DOING[doing].get(kind, _BY_DOING[doing]["Bug"])
    if again and rule.effect in _HOLD and rule.retry in _REPEATED:
        return replace(rule, effect=Effect.ASK)
    return rule
