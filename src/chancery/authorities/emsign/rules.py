"""What is refused before anything is sent: a term that the CA does not give, a reason that it does not know."""

from __future__ import annotations

from typing import Any

from chancery.core.order import RevocationReason
from chancery.sdk.authority import Request
from chancery.sdk.errors import RejectedByPolicy

REASONS: dict[RevocationReason, tuple[str, str]] = {
    RevocationReason.KEY_COMPROMISE: ("key-compromise", "1"),
    RevocationReason.AFFILIATION_CHANGED: ("affiliation-changed", "3"),
    RevocationReason.SUPERSEDED: ("superseded", "4"),
    RevocationReason.CESSATION_OF_OPERATION: ("cessation-of-operation", "5"),
    RevocationReason.PRIVILEGE_WITHDRAWN: ("privilege-withdrawn", "9"),
}
"""The five reasons that public SSL takes → V2's word, V1's number (RFC 5280 section 5.3.1)."""


def reason_of(reason: RevocationReason) -> tuple[str, str]:
    """Return V2's word and V1's number; raises `RejectedByPolicy` for a reason that emSign does not know.

    Nothing is put in its place: a person who meant it has to choose another one.
    """
    if reason not in REASONS:
        known = ", ".join(str(r) for r in REASONS)
        text = f"emSign does not take the reason {reason}."
        raise RejectedByPolicy(text, code="reason", bytes_sent=False, remedy=f"Revoke it with one of: {known}.")
    return REASONS[reason]


def check_term(request: Request) -> None:
    """Raise `RejectedByPolicy` for an order of fewer days than the CA's certificates run.

    An order cannot say how long its certificate is to run; one that runs longer than was asked for would be put aside.
    """
    settings: Any = request.settings
    if request.validity.days < settings.term_days:
        text = f"emSign's certificates run {settings.term_days} days, and {request.validity.days} were asked for."
        remedy = "Order as many days as the profile says that certificates run, or correct that number."
        raise RejectedByPolicy(text, code="term", bytes_sent=False, remedy=remedy)
