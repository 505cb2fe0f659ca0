"""Changes to connectors of the past year, each with a vote."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from bench.rows.ground import Ground, store
from bench.rows.orders import some
from chancery.apps.accounts.models import User
from chancery.apps.changes.models import Change, Kind, State, Vote
from chancery.apps.connectors.models import Connector
from chancery.core.ids import new_id

_STATES = ((State.APPLIED, 4), *((state, 1) for state in State if state != State.APPLIED))


def fill(ground: Ground, number: int) -> None:
    """Add changes and their votes."""
    connectors = some(Connector)
    user = User.objects.order_by("id").values_list("pk", flat=True)[0]
    rows = [_change(ground, n, number, ground.random.choice(connectors)) for n in range(number)]
    store(Change, rows)
    store(Vote, ({"change_id": one["id"], "user_id": user, "name": "amy", "at": one["proposed_at"]} for one in rows))


def _change(ground: Ground, n: int, number: int, connector: UUID) -> dict[str, Any]:
    at = ground.at(n, number)
    return {
        "id": new_id(at),
        "kind": str(Kind.EDIT),
        "state": str(ground.one(_STATES)),
        "connector_id": connector,
        "name": f"CA {n}",
        **ground.scope(),
        "proposer": "ada",
        "proposed_at": at,
        "expires_at": at + timedelta(days=7),
    }
