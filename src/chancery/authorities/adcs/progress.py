"""What is known of an accepted request between two looks: the poll state, which the engine keeps (schema 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Pending, PendingKind, PollState

_AT_ONCE = timedelta(seconds=1)
_GAPS = tuple(timedelta(minutes=n) for n in (1, 2, 5, 15, 60))
"""A person decides; it may take a week (reference, section A8.1). The last one repeats."""
_MOST, _DIGITS = 2**31, 10


@dataclass(frozen=True, slots=True)
class Progress:
    """A request by the CA's id. `issued` says that the CA has issued already, and only the certificate is to be fetched."""

    request: int
    issued: bool = False
    looks: int = 0

    @classmethod
    def read(cls, state: PollState) -> Progress:
        """Return the progress of a state; raises `ProtocolViolation` for one without a request."""
        request, looks = state.get("request"), state.get("looks")
        if isinstance(request, bool) or not isinstance(request, int) or not is_id(str(request)):
            text = "The state of this order names no request of the CA."
            raise ProtocolViolation(
                text, stage="request", bytes_sent=False, remedy="Enter the request's id as reference."
            )
        return cls(request, state.get("issued") is True, looks if isinstance(looks, int) else 0)

    def looked(self) -> Progress:
        """Return the progress after a look that found it waiting."""
        return replace(self, looks=self.looks + 1, issued=False)

    def pending(self) -> Pending:
        """Return the outcome: fetched at once where it is issued, else looked at ever more rarely."""
        state: PollState = {"v": 1, "request": self.request, "issued": self.issued, "looks": self.looks}
        number = str(self.request)
        if self.issued:
            text = f"The CA has issued request {number}; the certificate is fetched next."
            return Pending(state, PendingKind.PROCESSING, _AT_ONCE, text, number)
        text = f"Request {number} waits for a manager of the CA (Pending Requests in its console)."
        gap = _GAPS[min(self.looks, len(_GAPS) - 1)]
        return Pending(state, PendingKind.APPROVAL, gap, text, number)


def is_id(text: str) -> bool:
    """Say whether a text can be the id of a request: a positive number of 31 bits."""
    return text.isascii() and text.isdecimal() and 0 < int(text[:_DIGITS]) < _MOST and len(text) <= _DIGITS
