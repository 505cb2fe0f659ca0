"""A connector's breaker as its row keeps it."""

from __future__ import annotations

from typing import Any

from chancery.apps.connectors.models import BreakerState, Connector
from chancery.core.breaker import Breaker, Standing

SETTINGS_UNUSABLE = "settings_unusable"
"""Code of a failure that no CA has seen: it is no login that was refused."""


def standing(row: Connector) -> Standing:
    """Return the breaker of a connector."""
    shut = row.breaker_until is not None and row.breaker == BreakerState.CLOSED
    state = Breaker.OPEN if shut else Breaker(row.breaker)
    return Standing(state, row.breaker_until, row.failures, row.refusals, row.sick_since)


def columns_of(found: Standing) -> dict[str, Any]:
    """Return the columns that hold it."""
    return {
        "breaker": str(found.state),
        "breaker_until": found.until,
        "failures": found.failures,
        "refusals": found.refusals,
        "sick_since": found.sick_since,
    }
