"""What is given out about the tree: checkpoints, proofs of one entry, proofs of growth, and the whole as an archive."""

from __future__ import annotations

import base64
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit import anchors, queries, sequencer, signing, verify_audit
from chancery.apps.audit.models import Checkpoint, Entry, Log
from chancery.apps.audit.tree import STEP, WIDTH, Tree
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import by_id
from chancery.core import merkle
from chancery.core.errors import Absent, Invalid, NotPermitted, Unavailable

README = """\
The audit record of a Chancery installation up to one signed checkpoint, as C2SP tlog-tiles lays it out.

    python3 verify_audit.py . --key KEY

checks it, with KEY as you noted it when the record began; `keys` is what the installation says that it is. `checkpoint` is
the newest statement, `checkpoints` has all of them. `tile/entries` holds the entries (two bytes of length, then the
entry: JSON in UTF-8), 256 to a file; `tile/0`, `tile/1`, … hold the hashes. Entries refer to people by number: their names and
addresses are not in here. verify_audit.py needs Python 3.9 or later and nothing else.
"""


@dataclass(frozen=True)
class Proof:
    """That an entry is in the tree: RFC 9162 hashes under a signed checkpoint."""

    entry: Entry
    index: int
    size: int
    hashes: list[bytes]
    checkpoint: str

    @property
    def text(self) -> str:
        """The proof as a file (C2SP tlog-proof)."""
        lines = ["c2sp.org/tlog-proof@v1", f"index {self.index}", *(encoded(h) for h in self.hashes)]
        return "\n".join(lines) + "\n\n" + self.checkpoint


def encoded(found: bytes) -> str:
    """Return a hash as proofs and checkpoints write it."""
    return base64.b64encode(found).decode()


def keys(about: Log) -> list[str]:
    """Return the public keys from which every later one follows, the oldest first."""
    return [str(text) for text in about.keys]


def standing(actor: Actor) -> dict[str, Any]:
    """Return how the record is proven at this moment."""
    _may(actor, Permission.AUDIT_VIEW)
    about, last = signing.log(), sequencer.newest()
    return {
        "origin": about.origin,
        "entries": about.size,
        "waiting": sequencer.waiting(),
        "key": about.key,
        "keys": keys(about),
        "checkpoint": last,
        "note": last.note if last is not None else "",
        "anchors": anchors.states(),
    }


def of_entry(actor: Actor, ident: object) -> Proof:
    """Return the proof of an entry under the newest checkpoint; raises `Unavailable` where it is not covered yet."""
    entry = by_id(queries.seen(actor), ident)
    if entry is None:
        raise Absent("entry", ident)
    last = sequencer.newest()
    if entry.tree_index is None or last is None or entry.tree_index >= last.size:
        text = "This entry is not under a checkpoint yet."
        raise Unavailable(text, remedy="Ask again in a few seconds; a worker signs the record.", code="not_sealed")
    index, tree = entry.tree_index, Tree(last.size)
    return Proof(entry, index, last.size, merkle.inclusion(tree.get, index, last.size), last.note)


def of_growth(actor: Actor, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `old` entries grew into the one of `new`."""
    _may(actor, Permission.AUDIT_VIEW)
    size = signing.log().size
    if not 0 < old <= new <= size:
        raise Invalid.one("old", f"There is no growth from {old} to {new} entries.", f"The tree has {size} now.")
    return merkle.consistency(Tree(new).get, old, new)


def archive(actor: Actor) -> Iterator[bytes]:
    """Yield a tar file of the whole record up to the newest checkpoint, with a program that verifies it."""
    if actor.scopes(Permission.AUDIT_EXPORT) is not None:
        # It holds every team's entries: who may export those of one team has the export by lines.
        raise NotPermitted(Permission.AUDIT_EXPORT)
    last = sequencer.newest()
    if last is None:
        text = "There is no checkpoint of the record yet."
        raise Unavailable(text, remedy="A worker signs one within seconds of its start.", code="not_sealed")
    return _packed(last)


def _packed(last: Checkpoint) -> Iterator[bytes]:
    yield from _file("README", README.encode(), last)
    yield from _file("verify_audit.py", program(), last)
    yield from _file("keys", "".join(f"{text}\n" for text in keys(signing.log())).encode(), last)
    yield from _file("checkpoint", last.note.encode(), last)
    made = Checkpoint.objects.filter(pk__lte=last.pk).order_by("pk").values_list("note", flat=True)
    yield from _file("checkpoints", "".join(f"{text}\n" for text in made).encode(), last)
    tree = Tree(last.size)
    for index in range(-(-last.size // WIDTH)):
        yield from _file(_name("0", index, last.size), tree.tile(0, index, last.size), last)
        yield from _file(_name("entries", index, last.size), _bundle(index, last.size), last)
    level, size = 1, last.size >> STEP
    while size:
        for index in range(-(-size // WIDTH)):
            yield from _file(_name(str(level), index, size), tree.tile(level, index, size), last)
        level, size = level + 1, size >> STEP
    yield bytes(2 * tarfile.BLOCKSIZE)


def program() -> bytes:
    """Return the verifier as it is handed out."""
    return Path(verify_audit.__file__).read_bytes()


def _bundle(index: int, size: int) -> bytes:
    span = (index * WIDTH, min(size, (index + 1) * WIDTH) - 1)
    rows = Entry.objects.filter(tree_index__range=span).order_by("tree_index")
    bodies = [bytes(body) for body in rows.values_list("body", flat=True)]
    return b"".join(len(body).to_bytes(2, "big") + body for body in bodies)


def _name(kind: str, index: int, size: int) -> str:
    """Return a tile's path: three digits to a folder, and how many there are in one that is not whole."""
    partial = size - index * WIDTH
    digits = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        digits.insert(0, f"x{index % 1000:03d}")
    return f"tile/{kind}/{'/'.join(digits)}" + (f".p/{partial}" if partial < WIDTH else "")


def _file(name: str, content: bytes, last: Checkpoint) -> Iterator[bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), 0o644, int(last.at.timestamp())
    yield member.tobuf(tarfile.PAX_FORMAT)
    yield content
    yield bytes(-len(content) % tarfile.BLOCKSIZE)


def _may(actor: Actor, permission: Permission) -> None:
    if not actor.may(permission):
        raise NotPermitted(permission)
