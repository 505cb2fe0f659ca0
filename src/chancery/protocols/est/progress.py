"""What is known of a request between two looks: the poll state, which the engine keeps (schema 1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Pending, PendingKind, PollState

_OPERATIONS = frozenset({"simpleenroll", "simplereenroll", "chain"})
_SOON = timedelta(minutes=1)
_TEXT = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """`operation` is repeated from `until` on; or `certificates` (DER) came already, and their chain is to be fetched."""

    operation: str
    until: datetime | None = None
    text: str = ""
    certificates: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, state: PollState) -> Progress:
        """Return the progress of a stored state; raises `ProtocolViolation` for one that is none of ours."""
        try:
            until = datetime.fromisoformat(state["until"]) if state.get("until") else None
            kept = tuple(base64.b64decode(one, validate=True) for one in state.get("certificates", ()))
            found = cls(str(state["operation"]), until, str(state.get("text", "")), kept)
        except (KeyError, TypeError, ValueError, binascii.Error):
            found = cls("")
        if found.operation not in _OPERATIONS or (found.operation == "chain" and not found.certificates):
            raise ProtocolViolation("The order's stored progress is none of EST's.", code="state", bytes_sent=False)
        return found

    def holding(self, certificates: Iterable[bytes]) -> Progress:
        """Return the progress with certificates that must not be lost."""
        return replace(self, certificates=tuple(certificates))

    def pending(self, now: datetime) -> Pending:
        """Return the outcome; the next look is when the server allowed it."""
        state: PollState = {"v": 1, "operation": self.operation, "text": self.text[:_TEXT]}
        if self.certificates:
            state["certificates"] = [base64.b64encode(one).decode() for one in self.certificates]
            return Pending(state, PendingKind.PROCESSING, _SOON, self.text[:_TEXT])
        until = self.until or now
        state["until"], wait = until.isoformat(), max(until - now, timedelta(seconds=1))
        said = f" It says: {self.text[:_TEXT]}" if self.text.strip() else ""
        return Pending(state, PendingKind.APPROVAL, wait, f"Accepted; the CA has not decided yet.{said}")
