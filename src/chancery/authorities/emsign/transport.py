"""What each of the ways to emSign can do; the authority hands its verbs on to the chosen one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from chancery.core.order import RevocationReason
from chancery.sdk.authority import Request, Target
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import Absence, Choice, Found, Issued, Outcome, PollState, RevocationPending, Revoked


class Transport(Protocol):
    """The verbs of the contract (`sdk.authority`)."""

    def check(self) -> Iterable[Finding]:
        """Diagnose, read-only."""

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look how an accepted order stands."""

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke one certificate."""

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look how an accepted revocation stands."""

    def cancel(self, state: PollState, request: Request) -> None:
        """Withdraw what is not issued yet."""

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search for what a lost answer may have ordered."""

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order that a person names."""

    def choices(self, field: str) -> list[Choice]:
        """Return the pick list of a field."""

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return a part of the account's certificates."""

    def fetch(self, reference: str) -> Issued:
        """Return the certificate of an entry."""
