"""By when a CA has to have revoked a certificate, counted from when it was asked."""

from __future__ import annotations

from datetime import timedelta

from chancery.core.order import RevocationReason

_AT_ONCE = frozenset({RevocationReason.UNSPECIFIED, RevocationReason.KEY_COMPROMISE})


def revocation_limit(reason: str) -> timedelta:
    """Return how long a revocation may take, by its reason (Baseline Requirements 4.9.1.1): a day or five.

    A day is for a key that others have, and for a subscriber who names no reason. Private CAs promise nothing of the kind, but what
    people expect of them is no other.
    """
    return timedelta(days=1) if reason in _AT_ONCE else timedelta(days=5)
