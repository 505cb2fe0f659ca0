"""Where a page begins and ends: a range of the values that it is sorted by, told as one lower and one upper bound.

Two bounds on one side would be met by looking at everything between them: SQLite begins at whichever it is told first.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from chancery.apps.shared.texts import clean, unfit
from chancery.core.errors import Invalid

M = TypeVar("M", bound=Model)
Edge = tuple[Any, ...]
"""The sort values of a row."""
MAX_SIZE = 200


@dataclass(frozen=True)
class Span:
    """Which values of the field that a page is sorted by are wanted: from `low` up to, but not with, `high`; None is open."""

    low: Any = None
    high: Any = None

    def on(self, field: str) -> Q:
        """Return this as a condition on a field."""
        return _at_least(field, self.low) & _below(field, self.high)


EVERYTHING = Span()


def starting(text: str) -> Span:
    """Return the range of the texts that start with `text`; its field must be sorted by code point."""
    clean("search", text, len(text))
    return Span(text, text + "\U0010ffff")


class Look:
    """What one request asks for: which way, from where, how many."""

    def __init__(self, model: type[Model], order: str, cursor: str, size: int, span: Span = EVERYTHING) -> None:
        field = order.lstrip("-")
        # A row that belongs to exactly one other may have that one's id as its own.
        self.fields = (field,) if field in {"id", "pk"} else (field, "id")
        self.by_id = len(self.fields) == 1
        self.size = max(1, min(size, MAX_SIZE))
        self.backwards, self.edge = read(cursor, self.fields, model)
        self.down = order.startswith("-") != self.backwards
        self._span = span

    def key(self, row: Model) -> Edge:
        """Return the values by which rows are in order."""
        return tuple(getattr(row, field) for field in self.fields)

    def ordered(self, rows: QuerySet[M], until: Edge | None = None) -> QuerySet[M]:
        """Return `rows` from the edge on, in order; those that come no later than `until`, where it is given."""
        low, high = (until, self.edge) if self.down else (self.edge, until)
        wanted = self._lower(low, closed=self.down) & self._upper(high, closed=not self.down)
        return rows.filter(wanted).order_by(*[("-" if self.down else "") + f for f in self.fields])

    def far(self, rows: QuerySet[M], number: int) -> Edge | None:
        """Return where the `number`th of these ordered rows is if more follow it, found without reading a row itself."""
        edges = list(rows.values_list(*self.fields)[number - 1 : number + 1])
        return edges[0] if len(edges) == 2 else None

    def _lower(self, edge: Edge | None, *, closed: bool) -> Q:
        low = self._span.low
        if edge is None or (low is not None and edge[0] < low):
            return _at_least(self.fields[0], low)
        return _beyond(self.fields, edge, "gt", closed=closed)

    def _upper(self, edge: Edge | None, *, closed: bool) -> Q:
        high = self._span.high
        if edge is None or (high is not None and edge[0] >= high):
            return _below(self.fields[0], high)
        return _beyond(self.fields, edge, "lt", closed=closed)


def _at_least(field: str, value: Any) -> Q:
    return Q() if value is None else Q(**{f"{field}__gte": value})


def _below(field: str, value: Any) -> Q:
    return Q() if value is None else Q(**{f"{field}__lt": value})


def _beyond(fields: Sequence[str], edge: Edge, sign: str, *, closed: bool) -> Q:
    """Return the condition that a row lies beyond `edge`, or at it where `closed`."""
    last = f"{fields[-1]}__{sign}{'e' if closed else ''}"
    if len(fields) == 1:
        return Q(**{last: edge[0]})
    first = fields[0]
    # The redundant first condition is what lets both planners start at the right place of the index.
    return Q(**{f"{first}__{sign}e": edge[0]}) & (
        Q(**{f"{first}__{sign}": edge[0]}) | Q(**{first: edge[0], last: edge[1]})
    )


def write(values: Edge, *, backwards: bool) -> str:
    """Return a place in an order as text that a URL takes."""
    raw = json.dumps(["<" if backwards else ">", *map(_text, values)], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value if isinstance(value, int) else str(value)


def read(cursor: str, fields: Sequence[str], model: type[Model]) -> tuple[bool, Edge | None]:
    """Return what `write` wrote: whether it leads backwards, and the place; raises `Invalid` for anything else."""
    if not cursor:
        return False, None
    try:
        way, *values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        given = [_column(model, f).to_python(v) for f, v in zip(fields, values, strict=True)]
        edge = tuple(_comparable(v) for v in given)
        if way not in {"<", ">"} or any(v is None for v in edge) or unfit({"edge": edge}):
            raise ValueError(way)
    except Exception:
        raise Invalid.one(
            "cursor", "This page marker is not one of ours.", "Start again from the first page."
        ) from None
    return way == "<", edge


def _comparable(value: Any) -> Any:
    """Return a value as rows are compared with it: a moment in UTC. Raises where it has no zone, or no such moment."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError(value)
    return value.astimezone(UTC)


def _column(model: type[Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)
