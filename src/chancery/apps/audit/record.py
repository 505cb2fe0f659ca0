"""Writes audit entries: versioned canonical JSON, kept as bytes and never serialised again.

Version 2 holds persons by reference (docs/adr/0008): the bytes say the id of a person, and the id of the entry, whose
row keeps login names and the address. Version 1 held those texts themselves; both are read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chancery.apps.audit.models import Entry
from chancery.apps.shared.bulk import insert
from chancery.core.ids import new_id

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

VERSION = 2
LIMIT = 60_000
"""Bytes of one entry; transparency logs count an entry's length in 16 bits."""
PERSON = "user"
"""The kind of target whose name is a person's, so it does not stand in the bytes."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_MOST_NAME, _MOST_ADDRESS = 200, 64
COLUMNS = (
    "id",
    "at",
    "actor",
    "address",
    "action",
    "target_kind",
    "target_id",
    "subject",
    "refusal",
    "team_id",
    "tree_index",
    "body",
)


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


def body(actor: Actor, action: str, at: datetime, note: Note, ident: UUID) -> bytes:
    """Return an entry's canonical bytes: sorted keys, no blanks, UTF-8, no floats."""
    return _body(*_frame(actor.user, actor.how, actor.via, action, at), note, ident)


@lru_cache(maxsize=64)
def _frame(user: int | None, how: str, via: str, action: str, at: datetime) -> tuple[str, str]:
    """Return the beginning and the end that all entries of one act share."""
    who = _canonical({"how": how, "id": user})
    written = at.isoformat(timespec="microseconds")
    start = f'{{"action":{_canonical(action)},"actor":{who},"at":"{written}","changed":'
    return start, f'}},"v":{VERSION},"via":{_canonical(via)}}}'


def _body(start: str, end: str, note: Note, ident: UUID) -> bytes:
    # Written out in the order of its keys: the encoder takes twice as long for the whole, and thousands of these are
    # written each second. A test holds it against the encoder.
    changed = _canonical(sorted(note.changed)) if note.changed else "[]"
    name = "" if note.kind == PERSON else f',"name":{_canonical(note.name[:300])}'
    came = f'"outcome":{_canonical(note.outcome)},"reason":{_canonical(note.reason[:1000])}'
    target = f'{{"id":{_canonical(note.id)},"kind":{_canonical(note.kind)}{name}'
    rest = f'"id":"{ident}",{came},"target":{target}{end}'
    raw = f'{start}{changed},"detail":{_canonical(note.detail)},{rest}'.encode()
    return raw if len(raw) <= LIMIT else f'{start}{changed},"detail":{{"cut":{len(raw)}}},{rest}'.encode()


def rows(actor: Actor, action: str, at: datetime, notes: Sequence[Note]) -> list[tuple[Any, ...]]:
    """Return the table rows of some entries, in the order of `COLUMNS`."""
    frame = _frame(actor.user, actor.how, actor.via, action, at)
    name, address = actor.name[:_MOST_NAME], actor.address[:_MOST_ADDRESS] or None
    found = []
    for note in notes:
        ident = new_id(at)
        subject = note.name[:_MOST_NAME] if note.kind == PERSON else ""
        refusal = None if note.outcome == "done" else note.reason[:60]
        where = (note.kind, note.id, subject, refusal, note.team, None)
        found.append((ident, at, name, address, action, *where, _body(*frame, note, ident)))
    return found


def write(actor: Actor, action: str, at: datetime, notes: Sequence[Note]) -> None:
    """Add entries inside the caller's transaction; a failure fails the action."""
    insert(Entry, COLUMNS, rows(actor, action, at, notes))
