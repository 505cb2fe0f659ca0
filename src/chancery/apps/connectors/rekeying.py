"""Changes the key that secrets are sealed with while everything runs.

A new key seals from its commit on. What older keys sealed is wrapped anew in small batches, by the worker or by the command
that asked for it: whoever is killed loses nothing, since what is left to do is whatever another key sealed. Older keys
are kept for an hour after the last batch, for a process that sealed with one at that very moment; then they are erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from chancery.apps.audit import occasions
from chancery.apps.connectors import ring, sealing
from chancery.apps.connectors.models import SealingKey
from chancery.apps.connectors.sealed import PLACES, Place
from chancery.apps.shared.actor import Actor

BATCH = 50
KEEP = timedelta(hours=1)


@dataclass(frozen=True)
class Progress:
    """How far a rotation is: secrets under the key that seals now, of all; and whether older keys are erased."""

    kid: str
    done: int
    total: int
    erased: bool


def rotate(actor: Actor) -> SealingKey:
    """Make another key seal from now on, wrapped by the store that the settings name now."""
    with transaction.atomic():
        row = ring.fresh()
        detail = {"store": row.store, "before": sorted(ring.sealed_with())}
        occasions.note(actor, "keys.rotate", "sealing_key", row.kid, detail)
    return row


def progress() -> Progress:
    """Return how far it is."""
    found, kid = ring.sealed_with(), ring.key_id()
    row = ring.newest()
    return Progress(kid, found.get(kid, 0), found.total(), row is None or row.done_at is not None)


def step(now: datetime, most: int = BATCH) -> int:
    """Wrap up to `most` secrets anew, and erase older keys where it is time; returns how many were wrapped."""
    newest = ring.newest()
    if newest is None or newest.done_at is not None:
        return 0
    number = 0
    for place in PLACES:
        number += _some(place, newest.kid, most - number)
    if number == 0 and newest.created_at + KEEP <= now:
        _erase(newest, now)
    return number


def _some(place: Place, kid: str, most: int) -> int:
    """Wrap the secrets of some rows anew."""
    fine = {kid, *ring.lost()}
    due = [pk for pk, found in place.rows.values_list("pk", place.column).iterator() if _others(place, found, fine)]
    number = 0
    for pk in due:
        if number >= most:
            break
        number += _one(place, pk, fine)
    return number


def _one(place: Place, pk: Any, fine: AbstractSet[str]) -> int:
    with transaction.atomic():
        # As it is now: an edit may have erased it meanwhile, or it may be gone.
        row = place.rows.select_for_update().filter(pk=pk).first()
        if row is None:
            return 0
        column = getattr(row, place.column)
        values, names = place.values(column), _others(place, column, fine)
        for name in names:
            anew = sealing.rewrap(values[name], table=place.table, record=str(pk), field=name)
            values[name].clear()
            values[name].update(anew)
        if names:
            row.save(update_fields=[place.column])
    return len(names)


def _others(place: Place, column: dict[str, Any], fine: AbstractSet[str]) -> Sequence[str]:
    return [name for name, value in place.values(column).items() if value.get("kid") not in fine]


def _erase(newest: SealingKey, now: datetime) -> None:
    with transaction.atomic():
        SealingKey.objects.exclude(pk=newest.pk).update(wrapped="", done_at=now)
        SealingKey.objects.filter(pk=newest.pk).update(done_at=now)
