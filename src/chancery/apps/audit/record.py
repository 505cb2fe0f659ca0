"""Writes audit entries: versioned canonical JSON, kept as bytes and never serialised again.

Version 2 holds persons by reference (docs/adr/0008): the bytes say the id of a person, and the id of the entry, whose
row keeps login names and the address. Version 3 also says a salted hash of those texts (`seal`), so that a name or address
that somebody changed is noticed, and one that was erased together with its salt cannot be guessed. The engine is no
person, and has none. Version 1 held the texts themselves; all are read.
"""

from __future__ import annotations

import hashlib
import json
import os
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

VERSION = 3
LIMIT = 60_000
"""Bytes of one entry; transparency logs count an entry's length in 16 bits."""
PERSON = "user"
"""The kind of target whose name is a person's, so it does not stand in the bytes."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_MOST_NAME, _MOST_ADDRESS = 200, 64
SALT = 16
"""Bytes of each half of a row's salt: first that of name and address of who acted, then that of who it is about."""
ENGINE = "process"
"""How the engine proves who it is."""
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
    "salt",
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


def body(actor: Actor, action: str, at: datetime, note: Note, ident: UUID, salt: bytes = bytes(2 * SALT)) -> bytes:
    """Return an entry's canonical bytes: sorted keys, no blanks, UTF-8, no floats."""
    who = _sealed_actor(actor, salt)
    return _body(*_frame(actor.user, actor.how, actor.via, action, at, who), note, ident, salt[SALT:])


def seal(salt: bytes, *texts: str) -> str:
    """Return the salted hash by which an entry's bytes are bound to texts beside them, in hex."""
    return hashlib.sha256(salt + _canonical(texts).encode()).hexdigest()


def _sealed_actor(actor: Actor, salt: bytes) -> str:
    return "" if actor.how == ENGINE else seal(salt[:SALT], actor.name[:_MOST_NAME], actor.address[:_MOST_ADDRESS])


@lru_cache(maxsize=64)
def _frame(user: int | None, how: str, via: str, action: str, at: datetime, sealed: str) -> tuple[str, str]:
    """Return the beginning and the end that all entries of one act share."""
    who = _canonical({"how": how, "id": user, **({"seal": sealed} if sealed else {})})
    written = at.isoformat(timespec="microseconds")
    start = f'{{"action":{_canonical(action)},"actor":{who},"at":"{written}","changed":'
    return start, f'}},"v":{VERSION},"via":{_canonical(via)}}}'


def _body(start: str, end: str, note: Note, ident: UUID, salt: bytes) -> bytes:
    # Written out in the order of its keys: the encoder takes twice as long for the whole, and thousands of these are
    # written each second. A test holds it against the encoder.
    changed = _canonical(sorted(note.changed)) if note.changed else "[]"
    person = note.kind == PERSON
    name = f'"seal":"{seal(salt, note.name[:_MOST_NAME])}"' if person else f'"name":{_canonical(note.name[:300])}'
    came = f'"outcome":{_canonical(note.outcome)},"reason":{_canonical(note.reason[:1000])}'
    target = f'{{"id":{_canonical(note.id)},"kind":{_canonical(note.kind)},{name}'
    rest = f'"id":"{ident}",{came},"target":{target}{end}'
    raw = f'{start}{changed},"detail":{_canonical(note.detail)},{rest}'.encode()
    return raw if len(raw) <= LIMIT else f'{start}{changed},"detail":{{"cut":{len(raw)}}},{rest}'.encode()


def rows(actor: Actor, action: str, at: datetime, notes: Sequence[Note]) -> list[tuple[Any, ...]]:
    """Return the table rows of some entries, in the order of `COLUMNS`."""
    own = b"" if actor.how == ENGINE else os.urandom(SALT)
    frame = _frame(actor.user, actor.how, actor.via, action, at, _sealed_actor(actor, own))
    name, address = actor.name[:_MOST_NAME], actor.address[:_MOST_ADDRESS] or None
    found = []
    for note in notes:
        ident = new_id(at)
        subject, theirs = (note.name[:_MOST_NAME], os.urandom(SALT)) if note.kind == PERSON else ("", b"")
        refusal = None if note.outcome == "done" else note.reason[:60]
        where = (note.kind, note.id, subject, refusal, note.team, None)
        salt = (own or bytes(SALT)) + theirs if own or theirs else None
        found.append((ident, at, name, address, action, *where, salt, _body(*frame, note, ident, theirs)))
    return found


def write(actor: Actor, action: str, at: datetime, notes: Sequence[Note]) -> None:
    """Add entries inside the caller's transaction; a failure fails the action."""
    insert(Entry, COLUMNS, rows(actor, action, at, notes))
