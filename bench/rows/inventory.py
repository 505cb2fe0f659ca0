"""Pulls of CAs' lists over the past year, and what they found."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from bench.rows.ground import Ground, store
from bench.rows.orders import some
from chancery.apps.connectors.models import Connector
from chancery.apps.inventory.models import Decision, Finding, Pull, PullState
from chancery.core.ids import new_id
from chancery.core.inventory import FindingKind

_ENDS = ((PullState.DONE, 8), (PullState.FAILED, 1), (PullState.STOPPED, 1))
_KINDS = ((FindingKind.AT_CA_ONLY, 6), (FindingKind.OURS_ONLY, 2), (FindingKind.STATE_DIFFERS, 2))
_DECISIONS = ((Decision.OPEN, 5), *((state, 1) for state in Decision if state != Decision.OPEN))


def fill(ground: Ground, number: int) -> None:
    """Add pulls, and as many findings, of the connectors that have the orders."""
    found = Connector.objects.filter(pk__in=some(Connector)).values_list("pk", "current")
    connectors = list(found)
    pulls = [_pull(ground, n, number, *ground.random.choice(connectors)) for n in range(number)]
    store(Pull, pulls)
    store(Finding, (_finding(ground, n, pull) for n, pull in enumerate(pulls)))


def _pull(ground: Ground, n: int, number: int, connector: UUID, version: UUID) -> dict[str, Any]:
    at = ground.at(n, number)
    return {
        "id": new_id(at),
        "connector_id": connector,
        "version_id": version,
        **ground.scope(),
        "state": str(ground.one(_ENDS)),
        "entries": 100,
        "asked_by": "ada",
        "created_at": at,
        "finished_at": at,
    }


def _finding(ground: Ground, n: int, pull: dict[str, Any]) -> dict[str, Any]:
    state = ground.one(_DECISIONS)
    return {
        "id": new_id(pull["created_at"]),
        **{name: pull[name] for name in ("connector_id", "team_id", "environment_id")},
        "pull_id": pull["id"],
        "kind": str(ground.one(_KINDS)),
        "state": str(state),
        "subject": f"bench:{n}",
        "common_name": f"host{n:07}.{ground.word().lower()}.example.com",
        "serial": f"{ground.random.getrandbits(150) | 1 << 150:x}",
        "issuer": "CN=Bench CA",
        "first_at": pull["created_at"],
        "last_at": pull["created_at"],
        "due_at": ground.now if state == Decision.FETCHING else None,
    }
