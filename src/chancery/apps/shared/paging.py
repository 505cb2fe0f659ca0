"""Keyset pages: as fast a hundred thousand rows deep as on the first page.

A cursor holds the sort values of the row at the edge, so the next page is an index range, not an offset.
What is not a range of an index is answered in bounded work all the same: a condition that few rows meet by
those rows, one that many meet by looking through the next rows in order, at most `WINDOW` of them. A page may
then hold fewer rows than asked for, or none, while more follow: its cursor says where the search goes on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, Q, QuerySet, Value

from chancery.apps.shared.texts import clean, unfit
from chancery.core.errors import Invalid

M = TypeVar("M", bound=Model)
COUNT_CAP = 10_000
MAX_SIZE = 200
WINDOW = 2_000
"""Rows looked at for one page where no index holds exactly what was asked for."""


@dataclass(frozen=True)
class Page(Generic[M]):
    """One page of rows, the cursors beside it ('' at an end), and the count as people read it."""

    items: list[M]
    next: str
    previous: str
    count_text: str


@dataclass(frozen=True)
class Filter:
    """A condition. `served` says that an index finds its rows, `ordered` that it holds them in order of id."""

    q: Q
    served: bool = True
    ordered: bool = True


def paginate(
    rows: QuerySet[M],
    *,
    order: str = "id",
    cursor: str = "",
    size: int = 50,
    filters: Sequence[Filter] = (),
    scope: Sequence[Q] | None = None,
) -> Page[M]:
    """Return one page of `rows` sorted by `order` (a field, '-' for descending), ties broken by id.

    `filters` all hold, and one of `scope` (disjoint conditions, each served; None for no condition).
    """
    look = _Look(rows.model, order, cursor, size)
    sources = _sources(rows, look, list(filters), scope)
    found, edge = _merged([source.fetch(look) for source in sources], look)
    more = len(found) > look.size or edge is not None
    if len(found) > look.size:
        found = found[: look.size]
        edge = look.key(found[-1])
    elif edge is None and found:
        edge = look.key(found[-1])
    first = look.key(found[0]) if found else None
    if look.backwards:
        found.reverse()
    ahead = _write(edge, backwards=look.backwards) if more and edge is not None else ""
    behind = _write(first, backwards=not look.backwards) if look.edge is not None and first is not None else ""
    return Page(
        items=found,
        next=behind if look.backwards else ahead,
        previous=ahead if look.backwards else behind,
        count_text=_total([s.count(look) for s in sources]) if cursor == "" else "",
    )


def capped_count(rows: QuerySet[Any]) -> str:
    """Return the number of rows as text; above ten thousand it is '10 000+', so it stays cheap."""
    return count_text(_counted(rows, COUNT_CAP))


def count_text(number: int, *, open_end: bool = False) -> str:
    """Return a number as people read it; `open_end` says that there may be more."""
    text = f"{min(number, COUNT_CAP):,}".replace(",", " ")
    return f"{text}+" if open_end or number > COUNT_CAP else text


def prefix(field: str, text: str) -> Q:
    """Return the filter *starts with*, in the form that each database answers from an index."""
    clean("search", text, len(text))
    if connection.vendor == "postgresql":
        return Q(**{f"{field}__startswith": text})
    return Q(**{f"{field}__gte": text, f"{field}__lt": text + "\U0010ffff"})


def any_of(parts: Iterable[Q]) -> Q:
    """Return the condition that a row meets which meets one of `parts`."""
    found = Q()
    for part in parts:
        found |= part
    return found


class _Look:
    """What one request asks for: which way, from where, how many."""

    def __init__(self, model: type[Model], order: str, cursor: str, size: int) -> None:
        field = order.lstrip("-")
        self.fields = ("id",) if field in {"id", "pk"} else (field, "id")
        self.by_id = self.fields == ("id",)
        self.size = max(1, min(size, MAX_SIZE))
        self.backwards, self.edge = _read(cursor, self.fields, model)
        self.down = order.startswith("-") != self.backwards

    def key(self, row: Model) -> tuple[Any, ...]:
        """Return the values by which rows are in order."""
        return tuple(getattr(row, field) for field in self.fields)

    def ordered(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Return `rows` from the edge on, in order."""
        if self.edge is not None:
            rows = rows.filter(_beyond(self.fields, self.edge, down=self.down))
        return rows.order_by(*[("-" if self.down else "") + f for f in self.fields])


class _Source(Generic[M]):
    """Rows that an index holds in order, and the conditions that are left to be looked at row by row."""

    def __init__(self, rows: QuerySet[M], rest: list[Filter]) -> None:
        self._rows, self._window = rows, False
        every = rows.model._default_manager.order_by()
        few = next((f for f in rest if f.served and _counted(every.filter(f.q), WINDOW) <= WINDOW), None)
        if few is not None:
            self._rows = rows.filter(pk__in=every.filter(few.q).values("pk")[:WINDOW])
        elif rest:
            self._window = True
        self._rest = [f.q for f in rest]

    def fetch(self, look: _Look) -> tuple[list[M], tuple[Any, ...] | None]:
        """Return one row more than asked for if there are so many, and where the search had to stop, if it had to."""
        rows = look.ordered(self._rows)
        if not self._window:
            return list(rows.filter(*self._rest)[: look.size + 1]), None
        # Where most rows meet the conditions, the next few will do.
        for window in (4 * (look.size + 1), WINDOW):
            within = rows[:window].values("pk")
            found = list(look.ordered(self._rows).filter(*self._rest, pk__in=within)[: look.size + 1])
            if len(found) > look.size:
                return found, None
        return found, next(iter(rows.values_list(*look.fields)[WINDOW - 1 : WINDOW]), None)

    def count(self, look: _Look) -> tuple[int, bool]:
        """Return a number of rows, and whether there may be more that were not looked at."""
        if not self._window:
            return _counted(self._rows.filter(*self._rest), COUNT_CAP), False
        within = look.ordered(self._rows)[:WINDOW].values("pk")
        found = self._rows.filter(*self._rest, pk__in=within).order_by().count()
        return found, _counted(self._rows, WINDOW) > WINDOW


def _sources(rows: QuerySet[M], look: _Look, filters: list[Filter], scope: Sequence[Q] | None) -> list[_Source[M]]:
    within = [] if scope is None else [Filter(any_of(scope), served=False)]
    anchor = next((f for f in filters if f.served and f.ordered), None) if look.by_id else None
    if anchor is not None:
        return [_Source(rows.filter(anchor.q), [f for f in filters if f is not anchor] + within)]
    if look.by_id and scope is not None:
        return [_Source(rows.filter(q), filters) for q in scope]
    return [_Source(rows, filters + within)]


def _merged(
    fetched: list[tuple[list[M], tuple[Any, ...] | None]], look: _Look
) -> tuple[list[M], tuple[Any, ...] | None]:
    """Return rows of several sources in one order, up to where the first of them had to stop."""
    if len(fetched) == 1:
        return fetched[0]
    stops = [edge for _, edge in fetched if edge is not None]
    stop = (max if look.down else min)(stops) if stops else None
    rows = sorted((row for found, _ in fetched for row in found), key=look.key, reverse=look.down)
    if stop is not None:
        rows = [r for r in rows if (look.key(r) >= stop if look.down else look.key(r) <= stop)]
    return rows, stop


def _counted(rows: QuerySet[Any], most: int) -> int:
    # A constant, not the key: where an index holds all that the conditions ask, no row itself is read. The ORM's own
    # count would drop the constant.
    some = rows.order_by().annotate(one=Value(1)).values("one")[: most + 1]
    try:
        sql, params = some.query.sql_with_params()
    except EmptyResultSet:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({sql}) subquery", params)
        return int(cursor.fetchone()[0])


def _total(counts: Sequence[tuple[int, bool]]) -> str:
    return count_text(sum(n for n, _ in counts), open_end=any(more for _, more in counts))


def _beyond(fields: Sequence[str], edge: Sequence[Any], *, down: bool) -> Q:
    sign = "lt" if down else "gt"
    first = fields[0]
    if len(fields) == 1:
        return Q(**{f"{first}__{sign}": edge[0]})
    # The redundant first condition is what lets both planners start at the right place of the index.
    return Q(**{f"{first}__{sign}e": edge[0]}) & (
        Q(**{f"{first}__{sign}": edge[0]}) | Q(**{first: edge[0], f"{fields[1]}__{sign}": edge[1]})
    )


def _write(values: Sequence[Any], *, backwards: bool) -> str:
    raw = json.dumps(["<" if backwards else ">", *map(_text, values)], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value if isinstance(value, int) else str(value)


def _read(cursor: str, fields: Sequence[str], model: type[Model]) -> tuple[bool, tuple[Any, ...] | None]:
    if not cursor:
        return False, None
    try:
        way, *values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        edge = tuple(_column(model, f).to_python(v) for f, v in zip(fields, values, strict=True))
        if way not in {"<", ">"} or any(v is None for v in edge) or unfit({"edge": edge}):
            raise ValueError(way)
    except Exception:
        raise Invalid.one(
            "cursor", "This page marker is not one of ours.", "Start again from the first page."
        ) from None
    return way == "<", edge


def _column(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)


def by_id(rows: QuerySet[M], ident: object) -> M | None:
    """Return the row with this id, or None also where the text is no id at all."""
    try:
        return rows.filter(pk=ident if isinstance(ident, UUID) else UUID(str(ident))).first()
    except ValueError:
        return None


def uuid_or_none(text: str, field: str) -> UUID | None:
    """Return the id that a filter names, None for an empty one; raises `Invalid` for what is no id."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Invalid.one(field, "This is no id.", "Choose one from the list.") from None


def one_of(field: str, value: str, allowed: Sequence[str]) -> str:
    """Return `value` if a listing offers it (empty stands for the first, the default), or raise `Invalid`."""
    if value and value not in allowed:
        raise Invalid.one(field, f"There is no {field} {value[:60]!r}.", f"Choose one of: {', '.join(allowed)}.")
    return value
