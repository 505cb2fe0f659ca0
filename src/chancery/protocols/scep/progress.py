"""What is known of a transaction between two looks: the poll state, which the engine keeps (schema 1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Pending, PendingKind, PollState


@dataclass(frozen=True, slots=True)
class Progress:
    """`transaction` is the transactionID; `looks` counts CertPolls that found it pending. Neither is a secret."""

    transaction: str
    looks: int = 0

    @classmethod
    def read(cls, state: PollState) -> Progress:
        """Return the progress of a stored state; raises `ProtocolViolation` for one that is none of ours."""
        transaction, looks = state.get("transaction"), state.get("looks", 0)
        if not isinstance(transaction, str) or not transaction or not isinstance(looks, int):
            raise ProtocolViolation("The order's stored progress is none of SCEP's.", code="state", bytes_sent=False)
        return cls(transaction, looks)

    def state(self) -> PollState:
        """Return what the engine keeps."""
        return {"v": 1, "transaction": self.transaction, "looks": self.looks}

    def pending(self, first_look: timedelta, patience: timedelta) -> Pending:
        """Return the outcome: SCEP does not say how long, so the settings do."""
        wait = patience if self.looks else first_look
        text = "Accepted; the CA has not decided yet. It usually waits for a person there."
        return Pending(self.state(), PendingKind.APPROVAL, wait, text, self.transaction)
