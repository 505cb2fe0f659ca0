"""What every transport to an AD CS gives the authority, and which powers each has (reference, section A0)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chancery.authorities.adcs.config import CERTSRV, CES, RPC
from chancery.sdk.authority import Request
from chancery.sdk.errors import RejectedByPolicy
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Absence, Choice, Found, Outcome, PollState

POWERS: dict[str, frozenset[str]] = {
    CERTSRV: frozenset({"finds", "adopts", "chooses"}),
    CES: frozenset({"adopts", "chooses"}),
    RPC: frozenset({"adopts", "chooses"}),
}
"""Transport → what can be done over it at most. Nobody revokes, denies or lists by an interface of enrolment."""
MANAGED = frozenset({"finds", "lists", "revokes", "cancels", "releases"})
"""What an account that manages the CA adds, over RPC, to any transport."""


def powers_of(settings: Mapping[str, Any]) -> frozenset[str]:
    """Return what can be done with a connector's stored settings."""
    transport = str(settings.get("transport") or CERTSRV)
    powers = POWERS.get(transport, frozenset())
    if settings.get("manager_username"):
        return powers | MANAGED
    # Without an id to start from, nothing can be searched over Web Enrollment.
    return powers - {"finds"} if transport == CERTSRV and not settings.get("search_from") else powers


class Transport(ABC):
    """One transport. What it cannot do is refused with a way out; the console does not offer it in the first place."""

    name = ""

    def reach(self) -> list[Finding]:
        """Return the findings of *Test connection* before the stage login; [] where the HTTP door tells them."""
        return []

    @abstractmethod
    def check(self) -> list[Finding]:
        """Return the findings of *Test connection* from the stage login on."""

    @abstractmethod
    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""

    @abstractmethod
    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look how an accepted request stands."""

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search for what a lost answer may have ordered."""
        raise self._cannot("search for a request", "Enter the request's id, as the CA's console shows it.")

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over a request by the CA's id for it."""
        raise self._cannot("show a request by its id", "Import the certificate instead.")

    def choices(self, field: str) -> list[Choice]:
        """Return the pick list of a field; [] for one that has none."""
        del field
        return []

    def _cannot(self, what: str, remedy: str) -> RejectedByPolicy:
        text = f"AD CS cannot {what} over {self.name} as this connector is set."
        return RejectedByPolicy(text, code="transport", stage="request", bytes_sent=False, remedy=remedy)
