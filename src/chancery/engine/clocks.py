"""Takes back what a clock that was ahead has put too far off, once it is put right."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.core.order import State

_NOTICED = timedelta(minutes=1)


def put_back(now: datetime, state: dict[str, Any]) -> dict[str, Any]:
    """Bring forward pauses, and the next look at orders and revocations, by as much as the clock went back.

    `state` remembers how late it was at the last round.

    What is leased belongs to a worker, whichever clock it goes by. An outcome that is unknown keeps its time: looked for too
    early, the CA's search would seem to prove that it has nothing.
    """
    before = datetime.fromisoformat(state["at"]) if "at" in state else now
    back = before - now
    if back >= _NOTICED:
        orders = Order.objects.filter(state__in=[State.QUEUED, State.PENDING], lease_until=None)
        revocations = Certificate.objects.filter(lease_until=None)
        connectors = Connector.objects.all()
        late = ((orders, "due_at"), (revocations, "due_at"), (connectors, "breaker_until"), (connectors, "probe_at"))
        for rows, column in late:
            # What lies before the moment that the clock had reached was due by it, and has had its look.
            rows.filter(**{f"{column}__gt": before}).update(**{column: F(column) - back})
    return {**state, "at": now.isoformat()}
