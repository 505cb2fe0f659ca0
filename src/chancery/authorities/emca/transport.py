"""What every protocol of emCA gives the authority, and which powers each has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from chancery.core.order import RevocationReason
from chancery.sdk.authority import Dedup, Request, Target
from chancery.sdk.errors import RejectedByPolicy
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Found, Outcome, PollState, RevocationPending, Revoked

POWERS: dict[str, frozenset[str]] = {
    "cmp": frozenset({"revokes"}),
    "acme": frozenset({"revokes", "adopts"}),
    "est": frozenset(),
    "scep": frozenset(),
    "rest": frozenset(),
}
"""Protocol → what emCA can do over it (reference, section 4.4)."""
_ORIGINALS = {"est": "est_returns_original", "scep": "scep_remembers"}
"""Protocol → the setting by which an administrator says that a repeated request brings the original certificate."""
PATHS = {
    "cmp": ".well-known/cmp",
    "est": ".well-known/est",
    "acme": "acme/directory",
    "scep": "scep",
    "rest": "emCAServices/rest",
}
"""Where the RFCs, or common use, have the protocol, where the administrator names no path."""


def dedup_of(transport: str, settings: Mapping[str, Any]) -> Dedup:
    """Return how a lost answer may be settled; where nothing is known, a second request is a second order."""
    if transport == "acme":
        return Dedup.ISSUES_LATER
    return Dedup.RETURN_ORIGINAL if settings.get(_ORIGINALS.get(transport, "")) else Dedup.NONE


class Transport(ABC):
    """One protocol. What it cannot do is refused with a way out; the console does not offer it in the first place."""

    name = ""

    @abstractmethod
    def check(self) -> list[Finding]:
        """Return the findings of *Test connection* from the stage login on."""

    @abstractmethod
    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""

    @abstractmethod
    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look how an accepted request stands."""

    def revoke(self, target: Target, reason: RevocationReason) -> Revoked | RevocationPending:
        """Revoke one certificate."""
        raise self._cannot("revoke", "Revoke it in emCA's portal, or let the connector speak CMP or ACME.")

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look how a revocation stands."""
        raise self._cannot("revoke", "Revoke it in emCA's portal, or let the connector speak CMP or ACME.")

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order by emCA's own number for it."""
        raise self._cannot("show an order by its number", "Import the certificate instead.")

    def _cannot(self, what: str, remedy: str) -> RejectedByPolicy:
        text = f"emCA cannot {what} over {self.name}."
        return RejectedByPolicy(text, code="transport", stage="request", bytes_sent=False, remedy=remedy)
