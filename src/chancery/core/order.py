"""The life of an order as data: states, and the only moves between them.

Docs, diagrams and tests read this table; nothing else decides whether a move is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where an order stands."""

    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    SUBMITTING = "submitting"
    PENDING = "pending"
    ISSUED = "issued"
    DENIED = "denied"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    FAILED = "failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    QUARANTINED = "quarantined"


class Cause(StrEnum):
    """Who may bring a move about."""

    PERSON = "person"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed step: from, to, the event it leaves on the timeline, and who causes it."""

    origin: State | None
    target: State
    event: str
    cause: Cause


_S = State
_P, _E = Cause.PERSON, Cause.ENGINE

MOVES: tuple[Move, ...] = (
    Move(None, _S.AWAITING_APPROVAL, "order.held", _P),
    Move(None, _S.QUEUED, "order.placed", _P),
    Move(_S.AWAITING_APPROVAL, _S.QUEUED, "order.approved", _P),
    Move(_S.AWAITING_APPROVAL, _S.DENIED, "order.denied", _P),
    Move(_S.AWAITING_APPROVAL, _S.CANCELLED, "order.cancelled", _P),
    Move(_S.QUEUED, _S.SUBMITTING, "order.submitting", _E),
    Move(_S.QUEUED, _S.CANCELLED, "order.cancelled", _P),
    Move(_S.QUEUED, _S.FAILED, "order.failed", _E),
    # An answer to the call before came after the CA had been taken not to have it.
    Move(_S.QUEUED, _S.OUTCOME_UNKNOWN, "order.answered_late", _E),
    Move(_S.SUBMITTING, _S.ISSUED, "order.issued", _E),
    Move(_S.SUBMITTING, _S.PENDING, "order.pending", _E),
    Move(_S.SUBMITTING, _S.QUEUED, "order.requeued", _E),
    Move(_S.SUBMITTING, _S.REJECTED, "order.rejected", _E),
    Move(_S.SUBMITTING, _S.FAILED, "order.failed", _E),
    Move(_S.SUBMITTING, _S.OUTCOME_UNKNOWN, "order.outcome_unknown", _E),
    Move(_S.SUBMITTING, _S.QUARANTINED, "order.quarantined", _E),
    Move(_S.PENDING, _S.PENDING, "order.waiting", _E),
    Move(_S.PENDING, _S.ISSUED, "order.issued", _E),
    Move(_S.PENDING, _S.REJECTED, "order.rejected", _E),
    Move(_S.PENDING, _S.FAILED, "order.failed", _E),
    Move(_S.PENDING, _S.CANCELLED, "order.cancelled", _E),
    Move(_S.PENDING, _S.OUTCOME_UNKNOWN, "order.outcome_unknown", _E),
    Move(_S.PENDING, _S.QUARANTINED, "order.quarantined", _E),
    Move(_S.PENDING, _S.QUEUED, "order.confirmed", _P),
    Move(_S.PENDING, _S.FAILED, "order.given_up", _P),
    Move(_S.OUTCOME_UNKNOWN, _S.OUTCOME_UNKNOWN, "order.searched", _E),
    Move(_S.OUTCOME_UNKNOWN, _S.ISSUED, "order.settled", _E),
    Move(_S.OUTCOME_UNKNOWN, _S.PENDING, "order.settled", _E),
    Move(_S.OUTCOME_UNKNOWN, _S.QUEUED, "order.settled_absent", _E),
    Move(_S.OUTCOME_UNKNOWN, _S.QUARANTINED, "order.quarantined", _E),
    Move(_S.OUTCOME_UNKNOWN, _S.REJECTED, "order.rejected", _E),
    Move(_S.OUTCOME_UNKNOWN, _S.PENDING, "order.adopted", _P),
    Move(_S.OUTCOME_UNKNOWN, _S.QUEUED, "order.ordered_again", _P),
    Move(_S.OUTCOME_UNKNOWN, _S.FAILED, "order.given_up", _P),
    Move(_S.QUARANTINED, _S.FAILED, "order.given_up", _P),
    # The database is from a backup: whatever may have been sent since is looked for, and not sent.
    Move(_S.QUEUED, _S.OUTCOME_UNKNOWN, "order.put_back", _P),
    Move(_S.SUBMITTING, _S.OUTCOME_UNKNOWN, "order.put_back", _P),
    Move(_S.PENDING, _S.OUTCOME_UNKNOWN, "order.put_back", _P),
    Move(_S.OUTCOME_UNKNOWN, _S.OUTCOME_UNKNOWN, "order.put_back", _P),
)

ENDS: frozenset[State] = frozenset({_S.ISSUED, _S.DENIED, _S.REJECTED, _S.CANCELLED, _S.FAILED})
"""States that nothing leaves."""

OPEN: frozenset[State] = frozenset(State) - ENDS
"""States in which an order still needs its connector, so the connector cannot be deleted."""

FOR_PEOPLE: frozenset[State] = frozenset({_S.OUTCOME_UNKNOWN, _S.QUARANTINED, _S.AWAITING_APPROVAL})
"""States in which a person decides."""

_ALLOWED = {(m.origin, m.target, m.cause): m for m in reversed(MOVES)}


class IllegalMove(Exception):
    """A bug: code asked for a step that the table does not have."""


def move(origin: State | None, target: State, cause: Cause) -> Move:
    """Return the move from `origin` to `target` by `cause`; raise `IllegalMove` if there is none."""
    found = _ALLOWED.get((origin, target, cause))
    if found is None:
        msg = f"no move from {origin} to {target} by {cause}"
        raise IllegalMove(msg)
    return found


class RevocationState(StrEnum):
    """Where a revocation stands; a certificate without one has never been asked to be revoked."""

    REQUESTED = "requested"
    WAITING_AT_CA = "waiting_at_ca"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


IN_THE_END = frozenset({RevocationState.REQUESTED, RevocationState.WAITING_AT_CA, RevocationState.CONFIRMED})
"""A revocation that is done, or on its way to be."""


class RevocationReason(StrEnum):
    """CRLReason names of RFC 5280 section 5.3.1. The last is offered only where a CA takes it from its subscribers."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"

    @property
    def code(self) -> int:
        """Return the CRLReason number (RFC 5280 section 5.3.1)."""
        return _CRL_REASONS[self]


_CRL_REASONS = {
    RevocationReason.UNSPECIFIED: 0,
    RevocationReason.KEY_COMPROMISE: 1,
    RevocationReason.AFFILIATION_CHANGED: 3,
    RevocationReason.SUPERSEDED: 4,
    RevocationReason.CESSATION_OF_OPERATION: 5,
    RevocationReason.PRIVILEGE_WITHDRAWN: 9,
}

SUBSCRIBER_REASONS: tuple[RevocationReason, ...] = tuple(
    reason for reason in RevocationReason if reason is not RevocationReason.PRIVILEGE_WITHDRAWN
)
"""What a subscriber may be offered anywhere (BR 4.9.1)."""
