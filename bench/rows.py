"""Fills the tables as years of use would, without doing the work: for measuring listings, and for testing them.

The rows are of the right shape and point at each other; the certificates in them are no certificates.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chancery.apps.audit import record
from chancery.apps.audit.models import Entry
from chancery.apps.audit.record import Note
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.texts import fold
from chancery.core.ids import new_id
from chancery.core.order import State

_PART = 5_000
STATES: tuple[tuple[State, int], ...] = (
    (State.ISSUED, 75),
    (State.QUEUED, 6),
    (State.PENDING, 4),
    (State.CANCELLED, 4),
    (State.REJECTED, 3),
    (State.FAILED, 7),
    (State.OUTCOME_UNKNOWN, 1),
)
"""Each share that is asked for fills a page at a thousand rows too: else the pages that are compared would not be alike."""
ACTORS = ("ada", "rob", "engine", "amy")
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::3")
ACTIONS = ("orders.place", "engine.record", "connectors.edit", "certificates.revoke")


class Filler:
    """Makes orders, certificates, audit entries, connectors and profiles from one seed."""

    def __init__(self, now: datetime, teams: Sequence[int], environments: Sequence[int], seed: int = 1) -> None:
        self._now, self._teams, self._environments = now, teams, environments
        self._random = random.Random(seed)

    def connectors(self, number: int) -> None:
        """Add copies of the first connector under other names, some inactive, with profiles for each tenth."""
        like = Connector.objects.order_by("created_at").first()
        profile = Profile.objects.order_by("created_at").first()
        if like is None or profile is None:
            msg = "there must be a connector and a profile to copy"
            raise ValueError(msg)
        first = Connector.objects.count()
        names = [f"{self._word()} {n:06}" for n in range(first, first + number)]
        changes = [self._connector(name, self._now - timedelta(minutes=n)) for n, name in enumerate(names)]
        _store(Connector, like, iter(changes))
        _store(Profile, profile, ({**c, "deleted_at": None} for c in map(self._profile, names)))

    def orders(self, number: int) -> None:
        """Add orders over the past year, a certificate for each that was issued, and two audit entries for each."""
        connectors = list(Connector.objects.filter(deleted_at=None).values_list("pk", flat=True)[:20])
        profiles = list(Profile.objects.filter(deleted_at=None).values_list("pk", flat=True)[:20])
        for start in range(0, number, _PART):
            some = range(start, min(start + _PART, number))
            made = [self._order(n, number, connectors, profiles) for n in some]
            _store(Order, None, iter(made))
            _store(Certificate, None, (self._certificate(o) for o in made if o["state"] == State.ISSUED))
            _store(Entry, None, (e for o in made for e in self._entries(o)))

    def _word(self) -> str:
        return self._random.choice(["Berlin", "Chennai", "Dublin", "Lagos", "Lima", "Oslo", "Pune", "Quito"])

    def _scope(self) -> dict[str, Any]:
        team, environment = self._random.choice(self._teams), self._random.choice(self._environments)
        return {"team_id": team, "environment_id": environment}

    def _connector(self, name: str, at: datetime) -> dict[str, Any]:
        status = "active" if self._random.random() < 0.9 else "inactive"
        row = {
            "id": new_id(at),
            **_named(name),
            **self._placed(),
            "status": status,
            "created_at": at,
            "updated_at": at,
            "probe_at": None,
        }
        return {**row, **self._scope(), "deleted_at": None}

    def _placed(self) -> dict[str, Any]:
        region = self._random.choice(["", "EU", "US", "APAC"])
        health = self._random.choices(["healthy", "unknown", "unreachable"], [84, 8, 8])[0]
        return {"region": region, "region_key": fold(region), "health": health}

    def _profile(self, name: str) -> dict[str, Any]:
        return {"id": new_id(self._now), **_named(f"Profile {name}"), "created_at": self._now, **self._scope()}

    def _order(self, n: int, number: int, connectors: list[UUID], profiles: list[UUID]) -> dict[str, Any]:
        at = self._now - timedelta(days=365) * (1 - n / number)
        state = self._random.choices([s for s, _ in STATES], [w for _, w in STATES])[0]
        return {
            "id": new_id(at),
            "state": str(state),
            "profile_id": self._random.choice(profiles),
            "connector_id": self._random.choice(connectors),
            **self._scope(),
            "requested_via": "api",
            "csr": b"\0" * 300,
            "spki_sha256": f"{n:064x}",
            "common_name": f"host{self._random.randrange(number):07}.{self._word().lower()}.example.com",
            "names": [["dns", f"host{n}.example.com"]],
            "key_type": "EC-P256",
            "validity_days": 30,
            "placed_at": at,
            "deadline_at": at + timedelta(days=1),
            "due_at": self._now if state in {State.QUEUED, State.PENDING} else None,
        }

    def _certificate(self, order: dict[str, Any]) -> dict[str, Any]:
        until = order["placed_at"] + timedelta(days=self._random.randrange(30, 398))
        revoked = self._random.random() < 0.08
        copied = ("connector_id", "profile_id", "team_id", "environment_id", "spki_sha256", "common_name", "names")
        return {
            **{name: order[name] for name in copied},
            "id": new_id(order["placed_at"]),
            "order_id": order["id"],
            "der": b"\0" * 600,
            "serial": f"{self._random.getrandbits(150) | 1 << 150:x}",
            "issuer": "CN=Bench CA",
            "key_type": "EC-P256",
            "sha256": f"{self._random.getrandbits(250):064x}",
            "not_before": order["placed_at"],
            "not_after": until,
            "stored_at": order["placed_at"],
            "revocation": "confirmed" if revoked else "",
            "revoked_at": min(self._now, order["placed_at"] + timedelta(days=9)) if revoked else None,
        }

    def _entries(self, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for _ in range(2):
            at, actor, action = order["placed_at"], self._random.choice(ACTORS), self._random.choice(ACTIONS)
            note = Note("order", str(order["id"]), order["common_name"], team=order["team_id"])
            who = Actor(actor, 1, "token:bench", self._random.choice(ADDRESSES), "api")
            (row,) = record.rows(who, action, at, [note])
            yield dict(zip(record.COLUMNS, row, strict=True))


def _named(name: str) -> dict[str, str]:
    return {"name": name, "name_key": fold(name)}


def _store(model: Any, like: Any, changes: Iterator[dict[str, Any]]) -> None:
    fields = model._meta.concrete_fields
    blank = {f.attname: getattr(like, f.attname) if like is not None else f.get_default() for f in fields}
    columns = [f.column for f in fields]
    insert(model, columns, [list({**blank, **change}.values()) for change in changes])
