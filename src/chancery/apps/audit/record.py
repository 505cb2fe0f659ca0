"""Writes audit entries: versioned canonical JSON, kept as bytes and never serialised again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chancery.apps.audit.models import Entry
from chancery.apps.shared.bulk import insert
from chancery.core.ids import new_id

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

VERSION = 1
LIMIT = 60_000
"""Bytes of one entry; transparency logs count an entry's length in 16 bits."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
COLUMNS = ("id", "at", "actor", "action", "target_kind", "target_id", "outcome", "team_id", "tree_index", "body")


@dataclass(slots=True)
class Note:
    """What an action did to one target. `changed` are field names; values never appear here."""

    kind: str
    id: str
    name: str = ""
    changed: tuple[str, ...] = ()
    outcome: str = "done"
    reason: str = ""
    team: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def body(actor: Actor, action: str, at: datetime, note: Note) -> bytes:
    """Return an entry's canonical bytes: sorted keys, no blanks, UTF-8, no floats."""
    entry = {
        "v": VERSION,
        "at": _written(at),
        "actor": {"name": actor.name, "id": actor.user, "how": actor.how, "address": actor.address},
        "via": actor.via,
        "action": action,
        "target": {"kind": note.kind, "id": note.id, "name": note.name[:300]},
        "changed": sorted(note.changed),
        "outcome": note.outcome,
        "reason": note.reason[:1000],
        "detail": note.detail,
    }
    raw = _canonical(entry).encode()
    if len(raw) > LIMIT:
        entry["detail"] = {"cut": len(raw)}
        raw = _canonical(entry).encode()
    return raw


@lru_cache(maxsize=64)
def _written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def rows(actor: Actor, action: str, at: datetime, notes: Sequence[Note]) -> list[tuple[Any, ...]]:
    """Return the table rows of some entries, in the order of `COLUMNS`."""
    return [
        (
            new_id(at),
            at,
            actor.name,
            action,
            note.kind,
            note.id,
            note.outcome,
            note.team,
            None,
            body(actor, action, at, note),
        )
        for note in notes
    ]


def write(actor: Actor, action: str, at: datetime, notes: Sequence[Note]) -> None:
    """Add entries inside the caller's transaction; a failure fails the action."""
    insert(Entry, COLUMNS, rows(actor, action, at, notes))
