"""How fast a connector may be called now, for whoever looks at it; the engine keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from chancery import catalog
from chancery.apps.connectors.models import BreakerState, Connector
from chancery.core.pacing import Limits, share
from chancery.sdk.authority import Facts


@dataclass(frozen=True)
class Pacing:
    """What is in force: the administrator's limits, else what the CA type declares, and the share that is used now."""

    seats: int
    calls_per_second: float
    burst: int
    share: float

    def as_values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def limits(row: Connector, facts: Facts) -> Limits:
    """Return the limits of a connector of a type that declares `facts`."""
    return Limits(
        row.limit_seats or facts.concurrency, row.limit_rate or facts.calls_per_second, row.limit_burst or facts.burst
    )


def of(row: Connector, now: datetime) -> Pacing:
    """Return how fast a connector is called now; zeros where its CA type cannot be loaded."""
    if catalog.find(row.authority) is None:
        return Pacing(0, 0.0, 0, 0.0)
    # The version in force came with the row, so that a page of connectors asks no more of the database.
    settings = row.current.settings if row.current is not None and catalog.narrows(row.authority) else None
    found = limits(row, catalog.get(row.authority, settings).facts)
    return Pacing(found.seats, found.rate, found.burst, round(share(row.slowed, row.slowed_at, now), 3))


def said(row: Connector) -> str:
    """Say in a sentence how the breaker stands, and why."""
    why = f" {row.health_text}" if row.health_text else ""
    if row.breaker == BreakerState.STOPPED:
        text = "Stopped: the login was refused so often that it is not tried again, so that the account is not locked."
        return f"{text}{why} Mend the credential; or test the connection, which opens the way again if it passes."
    if row.breaker_until is not None:
        return f"Open: everything waits until a probe passes, the next at {row.breaker_until:%H:%M:%S} UTC.{why}"
    if row.breaker == BreakerState.HALF_OPEN:
        return "Half-open: one act at a time goes out, until one succeeds."
    return "Closed: everything goes."
