"""A request that waits at a Windows CA for its manager: the CA's number is all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Pending, PendingKind, PollState

_MINUTES = (1, 2, 5, 15)
_LATER = 60
_TEXT = 500
LARGEST = 0xFFFF_FFFF
"""The CA counts its requests with 32 bits."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """`number` is the CA's own for the request; `looks` counts how often it was looked at since (schema 1).

    It is looked at after 1, 2, 5 and 15 minutes, then every hour: a manager may take days.
    """

    number: int
    looks: int = 0

    @classmethod
    def read(cls, state: PollState) -> Waiting:
        """Return the progress of a stored state; raises `ProtocolViolation` for one that is none of ours."""
        number, looks = state.get("request"), state.get("looks", 0)
        known = number_of(number) if isinstance(number, int) and not isinstance(number, bool) else None
        if known is None or not isinstance(looks, int) or looks < 0:
            raise ProtocolViolation("The order's stored progress is none of this CA's.", code="state", bytes_sent=False)
        return cls(known, looks)

    def again(self) -> Waiting:
        """Return the progress after one more look."""
        return replace(self, looks=self.looks + 1)

    def pending(self, text: str = "") -> Pending:
        """Return the outcome. `text` is what the CA said, in its language, already scrubbed."""
        wait = _MINUTES[self.looks] if self.looks < len(_MINUTES) else _LATER
        said = f" It says: {text[:_TEXT]}" if text.strip() else ""
        return Pending(
            {"v": 1, "request": self.number, "looks": self.looks},
            PendingKind.APPROVAL,
            timedelta(minutes=wait),
            f"Request {self.number} waits for a certificate manager of the CA (Pending Requests in its console).{said}",
            str(self.number),
        )


def number_of(value: int | str) -> int | None:
    """Return a request number; None for what is no number that a CA gives."""
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST))):
        return None
    return int(text) if 0 < int(text) <= LARGEST else None
