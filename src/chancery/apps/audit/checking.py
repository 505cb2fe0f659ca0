"""Looks whether tables, tree, checkpoints and anchors agree; what `chancery audit verify` says on the host.

The archive's `verify_audit.py` finds the same without us; this one also sees what the archive has not: entries without a place, the
columns beside the bytes, and the files outside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chancery.apps.audit import anchors, proofs, sequencer, signing
from chancery.apps.audit.models import Anchor, Checkpoint, Entry, Log
from chancery.apps.audit.record import ENGINE, SALT, seal
from chancery.apps.audit.tree import HASH, WIDTH, Tree
from chancery.core import merkle, note

_SEALED = 3
"""The first version of entries whose bytes are bound to the texts beside them."""


@dataclass
class Report:
    """What was found; `problems` is empty where all is well, and its first one names the first bad entry."""

    entries: int = 0
    waiting: int = 0
    checkpoints: int = 0
    outside: int = 0
    erased: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Said:
    where: str
    size: int
    root: bytes


def verify(files: Sequence[Path] = (), keys: Sequence[str] = (), most: int = 20) -> Report:
    """Look at everything; `files` are checkpoints kept elsewhere, beside the anchors that the settings name.

    `keys` are the public keys that whoever asks believes; without them those in the tables are.
    """
    about, report = signing.log(), Report(waiting=sequencer.waiting())
    believed = [note.VerifierKey.parse(text) for text in keys or proofs.keys(about)]
    said = sorted(_signed(believed, [*_anchored(), *files], report), key=lambda one: one.size)
    for problem in _entries(about, said, report):
        report.problems.append(problem)
        if len(report.problems) >= most:
            break
    return report


def _anchored() -> list[Path]:
    """Return the files outside; one that has never got anything need not be there."""
    used = set(Anchor.objects.filter(at__isnull=False).values_list("place", flat=True))
    return [path for path in anchors.files() if path.exists() or path.as_uri() in used]


def _signed(believed: Sequence[note.VerifierKey], files: Sequence[Path], report: Report) -> Iterator[_Said]:
    """Yield what the checkpoints say, having looked at their signatures."""
    ever, now = list(believed), list(believed)
    for made in Checkpoint.objects.order_by("pk").iterator():
        report.checkpoints += 1
        where = f"the checkpoint of size {made.size}"
        try:
            read = note.parse(made.note)
            one = note.Checkpoint.parse(read.text)
            signer = next((key for key in now if key.signed(read)), None)
            if signer is None:
                report.problems.append(f"No key of this record signed {where}.")
                continue
            # Those before it are over: one was lost, or named this one.
            now = now[now.index(signer) :]
            if one.next_key:
                following = note.VerifierKey.parse(one.next_key)
                if not following.signed(read):
                    report.problems.append(f"{_upper(where)} names a next key that did not sign it.")
                    continue
                now = [following, *now[1:]]
                ever.append(following)
        except ValueError as error:
            report.problems.append(f"{_upper(where)} cannot be read: {error}.")
            continue
        yield _Said(where, one.size, one.root)
    for path in files:
        yield from _kept(path, ever, report)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kept(path: Path, ever: Sequence[note.VerifierKey], report: Report) -> Iterator[_Said]:
    try:
        raw = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        report.problems.append(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.")
        return
    for one in note.split(raw):
        try:
            read = note.parse(one)
            said = note.Checkpoint.parse(read.text)
        except ValueError:
            report.problems.append(f"{path} holds something that is no checkpoint: {one[:60]!r}.")
            continue
        if not any(key.signed(read) for key in ever):
            report.problems.append(f"No key of this record signed the checkpoint of size {said.size} in {path}.")
            continue
        report.outside += 1
        yield _Said(f"the checkpoint of size {said.size} in {path}", said.size, said.root)


def _entries(about: Log, said: Sequence[_Said], report: Report) -> Iterator[str]:
    """Yield what is wrong with entries, the first one first."""
    tree, ours, due, good = Tree(about.size), merkle.Frontier(), list(said), 0
    rows = Entry.objects.exclude(tree_index=None).order_by("tree_index")
    for row in rows.iterator(chunk_size=2000):
        while ours.size < (row.tree_index or 0) and ours.size < about.size:
            yield f"Entry {ours.size} is missing."
            ours.add(_kept_hash(tree, ours.size))
        if ours.size >= about.size:
            yield f"Entry {row.pk} stands at {row.tree_index}, outside the tree."
            continue
        hashed = merkle.leaf(bytes(row.body))
        if hashed != _kept_hash(tree, ours.size):
            yield f"Entry {ours.size} ({row.pk}) is not the one that was recorded."
        yield from (f"Entry {ours.size} ({row.pk}): {text}" for text in _columns(row, report))
        ours.add(hashed)
        report.entries += 1
        while due and due[0].size <= ours.size:
            one = due.pop(0)
            if one.size == ours.size and one.root != ours.root():
                yield f"Entries from {good} to {one.size - 1} are not what {one.where} says."
            good = one.size
    if ours.size < about.size:
        yield f"Entry {ours.size} is missing, and all after it: there were {about.size}."
    if due and due[-1].size > about.size:
        yield f"Entry {about.size} is missing, and all after it: {due[-1].where} says so."


def _kept_hash(tree: Tree, index: int) -> bytes:
    at = index % WIDTH * HASH
    return tree.tile(0, index // WIDTH, tree.size)[at : at + HASH]


def _columns(row: Entry, report: Report) -> Iterator[str]:
    """Yield what stands beside an entry's bytes and is not what they say."""
    try:
        said = json.loads(bytes(row.body))
        expected = {
            "action": said["action"],
            "at": said["at"],
            "target_kind": said["target"]["kind"],
            "target_id": said["target"]["id"],
            "refusal": None if said["outcome"] == "done" else said["reason"][:60],
        }
        found = {name: getattr(row, name) for name in expected} | {"at": row.at.isoformat(timespec="microseconds")}
    except (ValueError, KeyError, TypeError):
        yield "its bytes are no entry."
        return
    yield from (f"the column {name} is not what its bytes say." for name in expected if expected[name] != found[name])
    if said["v"] >= _SEALED:
        yield from _persons(row, said, report)


def _persons(row: Entry, said: dict[str, Any], report: Report) -> Iterator[str]:
    salt = bytes(row.salt or b"")
    parts = (
        ("actor", salt[:SALT], said["actor"].get("seal"), (row.actor, row.address or "")),
        ("subject", salt[SALT:], said["target"].get("seal"), (row.subject,)),
    )
    for name, half, sealed, texts in parts:
        if sealed is None:
            expected = ("engine", "") if name == "actor" and said["actor"]["how"] == ENGINE else ("",)
            if texts != expected:
                yield f"the column {name} is not what its bytes say."
        elif not half.strip(b"\x00"):
            report.erased += 1
            if any(texts):
                yield f"the column {name} was written after it had been erased."
        elif seal(half, *texts) != sealed:
            yield f"the column {name} (or where it came from) is not what was recorded."
