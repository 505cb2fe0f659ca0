"""Sentences for every state of an order, every kind of error, and what each error leads to. Tests walk the tables."""

from __future__ import annotations

from chancery.core.effects import Effect, Retry
from chancery.core.order import State

STATES: dict[State, str] = {
    State.AWAITING_APPROVAL: "It is held until a second person approves it; nothing has been sent.",
    State.QUEUED: "It is in the queue and has yet to be sent.",
    State.SUBMITTING: "It is on its way to the CA.",
    State.PENDING: "The CA has it and has not issued it yet.",
    State.ISSUED: "The CA issued the certificate, it passed every check, and it is stored.",
    State.DENIED: "A person refused it; nothing was sent.",
    State.REJECTED: "The CA refused it.",
    State.CANCELLED: "It ended without a certificate.",
    State.FAILED: "A person gave it up.",
    State.OUTCOME_UNKNOWN: "It left for the CA, and whether the CA has it is not known.",
    State.QUARANTINED: "The CA sent a certificate that is not what was ordered; it is kept apart and not used.",
}
"""State → the order in one sentence."""

ERRORS: dict[str, str] = {
    "Unreachable": "Nobody answered at the CA's address, so nothing was ordered.",
    "OutcomeUnknown": "No answer came that says what the CA did.",
    "Throttled": "The CA asked for fewer calls.",
    "QuotaExhausted": "The CA says that the account's quota is used up.",
    "AuthFailed": "The CA refused the connector's login.",
    "Forbidden": "The CA let the connector in, and says that the account lacks a right.",
    "RejectedByPolicy": "The CA's own rules refuse this request.",
    "ValidationFailed": "The CA could not validate a name of the request.",
    "NotFound": "The CA does not know what it was asked about.",
    "AlreadyDone": "The CA says that this was done before.",
    "ProtocolViolation": "What came back is not what the CA's interface promises.",
    "Bug": "The authority's own code failed; the worker's log names the place.",
}
"""Kind of error → what it means."""

EFFECTS: dict[Effect, str] = {
    Effect.NONE: "It says nothing about the connector.",
    Effect.ASK: "The connector is probed at once, and nothing else waits: only a probe that fails holds it back.",
    Effect.SLOW_DOWN: "The whole connector slows down.",
    Effect.LOOK_FIRST: "Everything else on the connector waits until a probe has passed.",
    Effect.OPEN_BREAKER: "The connector's breaker opened: all its orders wait until a probe passes.",
    Effect.STOP_LOGIN: "The connector is tried only rarely, so that the account is not locked.",
}
"""What an error does to the connector, in words."""

RETRIES: dict[Retry, str] = {
    Retry.NEVER: "It is not tried again by itself.",
    Retry.BACKOFF: "It is tried again, at growing intervals that become shorter as the deadline comes near.",
    Retry.WHEN_TOLD: "It is tried again when the CA has said that it may.",
    Retry.LOGIN: "It is tried again while the connector's login is let in, and each time later, up to an hour.",
    Retry.AFTER_LAG: "The CA is searched for it once its search can know, where it can be searched.",
}
"""When an error lets the order be tried again, in words."""

PENDING: dict[str, str] = {
    "": "The CA has it.",
    "approval": "Somebody at the CA has to approve it.",
    "validation": "The CA has yet to validate its names.",
    "processing": "The CA works on it.",
    "action": "Something has to be done at the CA.",
    "confirmation": "Somebody here has to accept what it warns of; nothing has been sent.",
}
"""Why an order is pending → whom it waits for."""
