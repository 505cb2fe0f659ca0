"""Holds the answer to a finalize until the certificate is there, for as long as a client likes to wait.

All requests that wait are looked for together, so a hundred of them cost what one does. Only so many may wait for long: the
others are held for a moment, in which most certificates are made, and then told to come back, so that other requests find
a free thread of the server.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from django.db import OperationalError

from chancery.apps.acme import states
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.shared.grouped import LATER, Grouped, Result
from chancery.apps.shared.returning import joined, one_of

SECONDS, BRIEFLY = 10.0, 0.25
PLACES = 24
_WANTED = ((Order, ("id", "state", "connector_id")), (Connector, ("id", "status", "deleted_at", "breaker_until")))
_FROM = "FROM orders_order JOIN connectors_connector ON connectors_connector.id = orders_order.connector_id"
_places = threading.BoundedSemaphore(PLACES)


def wait(order: UUID) -> None:
    """Return when an order that was placed is issued, or is not likely to be for now, or when this has lasted too long."""
    if not _places.acquire(blocking=False):
        _LOOKER.wait(order, min(SECONDS, BRIEFLY))
        return
    try:
        _LOOKER.wait(order, SECONDS)
    finally:
        _places.release()


def _look(wanted: Sequence[UUID]) -> list[Result[Literal[True]]]:
    some, values = one_of(sorted(set(wanted)))
    try:
        rows = joined(_WANTED, f"{_FROM} WHERE orders_order.id {some}", values)
    except OperationalError:
        # Looked at again in a moment; whoever waits is let go in the end anyway.
        return [LATER for _ in wanted]
    for placed, connector in rows:
        placed.connector = connector
    over = {placed.pk for placed, _ in rows if not states.worth_waiting(placed)}
    return [True if ident in over else LATER for ident in wanted]


_LOOKER: Grouped[UUID, Literal[True]] = Grouped("acme-waiting", _look)


def close() -> None:
    """End this process's thread; whoever waits is let go."""
    _LOOKER.close()
