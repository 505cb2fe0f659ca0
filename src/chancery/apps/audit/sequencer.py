"""Gives entries their places in the tree, in order and in batches, and signs checkpoints of it.

Who places them is decided by one row: a batch counts only where the tree still has the size that it was made for, so any
number of processes may try. Hashing is done before the transaction that writes: writers of entries wait for a few
milliseconds at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from chancery.apps.audit import anchors, signing
from chancery.apps.audit.models import Checkpoint, Entry, Log
from chancery.apps.audit.tree import Tree
from chancery.core import merkle, note
from chancery.core.errors import Unavailable

BATCH = 1_000


def waiting() -> int:
    """Return how many entries have no place yet."""
    return Entry.objects.filter(tree_index=None).count()


def sequence(most: int = BATCH) -> int:
    """Place up to `most` entries; returns how many, 0 also where another process was faster."""
    about = signing.log()
    rows = list(Entry.objects.filter(tree_index=None).order_by("id").values_list("id", "body")[:most])
    if not rows:
        return 0
    tree = Tree(about.size)
    tree.append([merkle.leaf(bytes(body)) for _, body in rows])
    with transaction.atomic():
        if not Log.objects.filter(pk=about.pk, size=about.size).update(size=tree.size):
            return 0
        _place([ident for ident, _ in rows], about.size)
        tree.save()
    return len(rows)


def _place(ids: Sequence[UUID], first: int) -> None:
    table = connection.ops.quote_name(Entry._meta.db_table)
    with connection.wrap_database_errors, connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"UPDATE {table} e SET tree_index = %s + p.n - 1 FROM unnest(%s::uuid[]) WITH ORDINALITY p (id, n)"
                " WHERE e.id = p.id AND e.tree_index IS NULL",
                [first, list(ids)],
            )
            placed = cursor.rowcount
        else:
            values = [(first + n, ident.hex) for n, ident in enumerate(ids)]
            done = connection.connection.executemany(
                f"UPDATE {table} SET tree_index = ? WHERE id = ? AND tree_index IS NULL", values
            )
            placed = done.rowcount
    if placed != len(ids):
        raise Unavailable("Entries of the record vanished while they were placed.", code="tree_incomplete")


def checkpoint(now: datetime, every: timedelta = timedelta()) -> Checkpoint | None:
    """Sign the tree as it is, where it grew since the last checkpoint and that is `every` old; returns the new one."""
    about = signing.log()
    last = newest()
    if about.size == 0 or (last is not None and (_stands(last, about) or last.at > now - every)):
        return None
    signers = [signing.signer(about)]
    return _sign(about, signers, now)


def newest() -> Checkpoint | None:
    """Return the last checkpoint."""
    return Checkpoint.objects.order_by("-id").first()


def turn(about: Log, old: note.Signer | None, new: note.Signer, now: datetime) -> Checkpoint | None:
    """Sign a checkpoint in which the old key names the new one and both sign; without the old one only the new."""
    signers = [old, new] if old is not None else [new]
    return _sign(about, signers, now, next_key=new.key.text if old is not None else "")


def restored() -> str:
    """Begin a new origin, since the tables were put back from a backup; returns it."""
    about = signing.log()
    about.generation += 1
    about.save(update_fields=["generation"])
    return about.origin


def _stands(last: Checkpoint, about: Log) -> bool:
    said = note.Checkpoint.parse(note.parse(last.note).text)
    return last.size == about.size and said.origin == about.origin


def _sign(about: Log, signers: Sequence[note.Signer], now: datetime, **more: Any) -> Checkpoint | None:
    anchors.refuse_older(about)
    said = note.Checkpoint(about.origin, about.size, Tree(about.size).root(), **more)
    with transaction.atomic():
        # Whoever holds this row is alone: two processes would sign, and anchor, the same size twice.
        held = Log.objects.select_for_update().get(pk=about.pk)
        if (held.size, held.generation, held.key) != (about.size, about.generation, about.key):
            return None
        if held.key != (ours := signers[-1].key.text):
            alone = [*held.keys, ours] if len(signers) == 1 else held.keys
            Log.objects.filter(pk=about.pk).update(key=ours, keys=alone)
        return Checkpoint.objects.create(size=about.size, at=now, note=note.sign(said.text, signers))
