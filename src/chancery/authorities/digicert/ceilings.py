"""How long a certificate may live, by the day it is issued on (B9).

DigiCert stays a day below the CA/B Forum's 398, 200, 100 and 47. The last two of its own limits are expected, not
announced; a profile may say otherwise. A longer wish is shortened: refused, every renewal would end on the day of a change.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from chancery.core.certificate import facts
from chancery.core.errors import Invalid
from chancery.sdk.authority import Request

PUBLIC_TLS: tuple[tuple[date, int], ...] = (
    (date(2029, 3, 15), 46),
    (date(2027, 3, 15), 99),
    (date(2026, 2, 24), 199),
    (date.min, 397),
)
"""(from, days)"""
_PUBLIC = ("ssl_", "wildcard_", "cloud_")
"""How the ids of public TLS products begin (B2); private ones begin with private_ssl_."""


def is_public(product: str) -> bool:
    """Say whether a product is one of public TLS."""
    return product.startswith(_PUBLIC)


def days_of(request: Request, day: date) -> int:
    """Return the days to ask for on a day: as ordered, or as many as there may be."""
    settings: Any = request.settings
    limit = settings.longest_days
    if not limit and is_public(settings.product):
        limit = next(days for begun, days in PUBLIC_TLS if day >= begun)
    return min(request.validity.days, limit) if limit else request.validity.days


def shortness(leaf: bytes, request: Request) -> tuple[str, ...]:
    """Return the warning for a certificate that lives shorter than was ordered; () for any other."""
    try:
        found = facts(leaf)
    except Invalid:
        return ()
    lives, wanted = found.not_after - found.not_before, request.validity
    if lives > wanted - timedelta(days=1):
        return ()
    return (f"It is valid for {round(lives / timedelta(days=1))} of the {wanted.days} days that were ordered: {_WHY}",)


_WHY = "DigiCert's limit for its product on that day, or the end of the paid term."
