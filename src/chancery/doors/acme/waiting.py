"""Holds the answer to a finalize until the certificate is there, for as long as a client likes to wait.

All requests that wait are looked for together, so a hundred of them cost what one does. Only so many may wait for long: the
others are held for a moment, in which most certificates are made, and then told to come back, so that other requests find
a free thread of the server.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from uuid import UUID

from django.db import OperationalError

from chancery.apps.acme import states
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.apps.shared.grouped import LATER, Grouped, Result
from chancery.apps.shared.returning import joined, one_of

SECONDS, BRIEFLY = 10.0, 0.25
PLACES = 24
_FROM = """
FROM orders_order JOIN connectors_connector ON connectors_connector.id = orders_order.connector_id
LEFT JOIN certificates_certificate ON certificates_certificate.order_id = orders_order.id WHERE orders_order.id"""
Ended = tuple[Order, Certificate | None]
"""An order that is not worth waiting for any more, with its connector, and the certificate that it led to."""
_places = threading.BoundedSemaphore(PLACES)


def wait(order: UUID) -> Ended | None:
    """Return an order that was placed once it is issued, or is not likely to be for now; None if this lasts too long."""
    if not _places.acquire(blocking=False):
        return _LOOKER.wait(order, min(SECONDS, BRIEFLY))
    try:
        return _LOOKER.wait(order, SECONDS)
    finally:
        _places.release()


def _look(wanted: Sequence[UUID]) -> list[Result[Ended]]:
    some, values = one_of(sorted(set(wanted)))
    try:
        rows = joined(states.WANTED, f"{_FROM} {some}", values)
    except OperationalError:
        # Looked at again in a moment; whoever waits is let go in the end anyway.
        return [LATER for _ in wanted]
    over: dict[UUID, Ended] = {}
    for placed, connector, certificate in rows:
        placed.connector = connector
        if not states.worth_waiting(placed):
            over[placed.pk] = (placed, certificate)
    return [over.get(ident, LATER) for ident in wanted]


_LOOKER: Grouped[UUID, Ended] = Grouped("acme-waiting", _look)


def close() -> None:
    """End this process's thread; whoever waits is let go."""
    _LOOKER.close()
