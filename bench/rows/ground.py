"""What all rows stand on: one seed, one moment, the teams and environments, and how rows are written."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from django.db.models import AutoField

from chancery.apps.shared.bulk import insert
from chancery.apps.shared.texts import fold

T = TypeVar("T")
FEW = 20_000
"""As many there are at most of what people make by hand, each with a name: pools, channels, webhooks, bots, people."""
_PART = 5_000
_YEAR = timedelta(days=365)


@dataclass
class Ground:
    """Where and when rows are made."""

    now: datetime
    teams: Sequence[int]
    environments: Sequence[int]
    seed: int = 1
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Begin the numbers that everything is drawn by."""
        self.random = random.Random(self.seed)

    def word(self) -> str:
        """Return a name of a place."""
        return self.random.choice(["Berlin", "Chennai", "Dublin", "Lagos", "Lima", "Oslo", "Pune", "Quito"])

    def scope(self) -> dict[str, Any]:
        """Return a team and an environment."""
        return {
            "team_id": self.random.choice(self.teams),
            "environment_id": self.random.choice(self.environments),
        }

    def at(self, n: int, number: int) -> datetime:
        """Return when the `n`th of `number` rows of the past year was made."""
        return self.now - _YEAR * (1 - n / number)

    def one(self, weights: Sequence[tuple[T, int]]) -> T:
        """Return one of some values, each as likely as its weight says."""
        return self.random.choices([value for value, _ in weights], [weight for _, weight in weights])[0]


def named(name: str) -> dict[str, str]:
    """Return a name with its folded form."""
    return {"name": name, "name_key": fold(name)}


def store(model: Any, changes: Iterable[dict[str, Any]], like: Any = None) -> None:
    """Write rows that are like another, or like an empty one, but for some columns. Numbers for ids come from the database."""
    fields = [f for f in model._meta.concrete_fields if not isinstance(f, AutoField)]
    blank = {f.attname: getattr(like, f.attname) if like is not None else f.get_default() for f in fields}
    columns = [f.column for f in fields]
    rest = iter(changes)
    while some := [list({**blank, **change}.values()) for change in islice(rest, _PART)]:
        insert(model, columns, some)
