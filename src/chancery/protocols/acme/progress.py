"""What is remembered of an order between two looks: the poll state, versioned JSON without secrets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum

from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import HttpAnswer, Pending, PendingKind, PollState

VERSION = 1
_LONGEST_REFERENCE = 200
SOON = timedelta(seconds=1)
_FIRST, _LAST = timedelta(seconds=2), timedelta(minutes=10)


class Phase(StrEnum):
    """How far the validation of the names has come."""

    OPENED = "opened"
    PRESENTED = "presented"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Name:
    """A name whose authorization waits: where it and its challenge are, and what the challenge gave us.

    `done` once the CA calls the authorization valid. `issuers` are those of dns-persist-01.
    """

    name: str
    kind: str
    authorization: str
    challenge: str
    token: str = ""
    wildcard: bool = False
    issuers: tuple[str, ...] = ()
    done: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """An open order. `type` is that of the challenges in `names`; `looks` counts those at which nothing had changed."""

    order: str
    account: str
    phase: Phase = Phase.OPENED
    names: tuple[Name, ...] = ()
    looks: int = 0
    type: str = ""

    @classmethod
    def read(cls, state: PollState) -> Progress:
        """Read a stored state; raises `ProtocolViolation` for one that this version does not know."""
        if state.get("v") != VERSION:
            raise ProtocolViolation(
                "The stored state of this order is of a version that is not known here.",
                code="state",
                bytes_sent=False,
                remedy="Let a worker of the version that wrote it finish the order.",
            )
        names = tuple(Name(**{**row, "issuers": tuple(row["issuers"])}) for row in state["names"])
        return cls(state["order"], state["account"], Phase(state["phase"]), names, state["looks"], state["type"])

    def pending(
        self,
        kind: PendingKind,
        text: str,
        next_check: timedelta | None = None,
        publish: tuple[HttpAnswer, ...] = (),
    ) -> Pending:
        """Return the outcome that stores this; without `next_check`, looks grow rarer from 2 s to 10 minutes."""
        wait = next_check
        if wait is None:
            wait = min(_FIRST * 2 ** min(self.looks, 10), _LAST)
        state = {"v": VERSION, **asdict(replace(self, looks=self.looks + 1))}
        # A part of an address is none: what does not fit its column is left out.
        reference = self.order if len(self.order) <= _LONGEST_REFERENCE else ""
        return Pending(state, kind, wait, text, reference, publish)

    def moved(self, phase: Phase, kind: str, names: tuple[Name, ...]) -> Progress:
        """Return it in another phase, looked at for the first time there."""
        return replace(self, phase=phase, names=names, looks=0, type=kind)


def reference_of(order: str, renewal_id: str) -> str:
    """Return the CA's reference of a certificate: its order's address, and how a renewal names it (RFC 9773)."""
    whole = f"{order}#{renewal_id}" if renewal_id else order
    if len(whole) <= _LONGEST_REFERENCE:
        return whole
    return order if len(order) <= _LONGEST_REFERENCE else ""


def split_reference(reference: str) -> tuple[str, str]:
    """Return (the order's address, the name for `replaces`) of such a reference; '' for what it does not have."""
    order, _, renewal_id = reference.strip().partition("#")
    return order, renewal_id
