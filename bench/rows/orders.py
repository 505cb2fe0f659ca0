"""Orders over the past year, as many certificates, and two audit entries for each order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from bench.rows.ground import Ground, store
from chancery.apps.audit import record
from chancery.apps.audit.models import Entry
from chancery.apps.audit.record import Note
from chancery.apps.certificates.models import Certificate, Origin
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.actor import Actor
from chancery.core.ids import new_id
from chancery.core.order import State

_PART = 5_000
STATES: tuple[tuple[State, int], ...] = (
    (State.ISSUED, 42),
    (State.QUEUED, 6),
    (State.PENDING, 6),
    (State.FAILED, 7),
    (State.CANCELLED, 6),
    (State.REJECTED, 6),
    (State.DENIED, 6),
    (State.AWAITING_APPROVAL, 6),
    (State.OUTCOME_UNKNOWN, 6),
    (State.QUARANTINED, 6),
    (State.SUBMITTING, 6),
)
"""Each share that is asked for fills a page at a thousand rows too: else the pages that are compared would not be alike."""
ACTORS = ("ada", "rob", "engine", "amy")
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::3")
ACTIONS = ("orders.place", "engine.record", "connectors.edit", "certificates.revoke")
_REVOCATIONS = ((("confirmed", True, False), 8), (("requested", False, True), 8), (("", False, False), 84))
"""What it says, whether it is done, whether the engine still has to do with it."""


def some(model: Any) -> list[UUID]:
    """Return the ids of the first twenty connectors or profiles: those that have the orders."""
    return list(model.objects.filter(deleted_at=None).order_by("id").values_list("pk", flat=True)[:20])


def fill(ground: Ground, number: int) -> None:
    """Add orders and what belongs to them; for an order without a certificate there is one that was imported."""
    connectors, profiles = some(Connector), some(Profile)
    for start in range(0, number, _PART):
        part = range(start, min(start + _PART, number))
        made = [_order(ground, n, number, connectors, profiles) for n in part]
        store(Order, made)
        store(Certificate, (_certificate(ground, o) for o in made))
        store(Entry, (e for o in made for e in _entries(ground, o)))


def _order(ground: Ground, n: int, number: int, connectors: list[UUID], profiles: list[UUID]) -> dict[str, Any]:
    at, state = ground.at(n, number), ground.one(STATES)
    return {
        "id": new_id(at),
        "state": str(state),
        "profile_id": ground.random.choice(profiles),
        "connector_id": ground.random.choice(connectors),
        **ground.scope(),
        "requested_via": "api",
        "csr": b"\0" * 300,
        "spki_sha256": f"{n:064x}",
        "common_name": f"host{ground.random.randrange(number):07}.{ground.word().lower()}.example.com",
        "names": [["dns", f"host{n}.example.com"]],
        "key_type": "EC-P256",
        "validity_days": 30,
        "placed_at": at,
        "deadline_at": at + timedelta(days=1),
        "due_at": ground.now if state in {State.QUEUED, State.PENDING} else None,
    }


def _certificate(ground: Ground, order: dict[str, Any]) -> dict[str, Any]:
    until = order["placed_at"] + timedelta(days=ground.random.randrange(30, 398))
    issued = order["state"] == State.ISSUED
    said, done, due = ground.one(_REVOCATIONS)
    copied = ("connector_id", "profile_id", "team_id", "environment_id", "spki_sha256", "common_name", "names")
    return {
        **{name: order[name] for name in copied},
        "id": new_id(order["placed_at"]),
        "order_id": order["id"] if issued else None,
        "origin": Origin.ORDERED if issued else Origin.IMPORTED,
        "der": b"\0" * 600,
        "serial": f"{ground.random.getrandbits(150) | 1 << 150:x}",
        "issuer": "CN=Bench CA",
        "key_type": "EC-P256",
        "sha256": f"{ground.random.getrandbits(250):064x}",
        "not_before": order["placed_at"],
        "not_after": until,
        "stored_at": order["placed_at"],
        "revocation": said,
        "revoked_at": min(ground.now, order["placed_at"] + timedelta(days=9)) if done else None,
        "due_at": ground.now if due else None,
    }


def _entries(ground: Ground, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for _ in range(2):
        at, actor, action = order["placed_at"], ground.random.choice(ACTORS), ground.random.choice(ACTIONS)
        note = Note("order", str(order["id"]), order["common_name"], team=order["team_id"])
        who = Actor(actor, 1, "token:bench", ground.random.choice(ADDRESSES), "api")
        (row,) = record.rows(who, action, at, [note])
        yield dict(zip(record.COLUMNS, row, strict=True))
