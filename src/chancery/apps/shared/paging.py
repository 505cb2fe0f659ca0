"""Keyset pages: as fast a hundred thousand rows deep as on the first page.

A cursor holds the sort values of the row at the edge, so the next page is an index range, not an offset.
What is not a range of an index is answered in bounded work all the same: a condition that few rows meet by
those rows, one that many meet by looking through the next rows in order, at most `WINDOW` of them. A page may
then hold fewer rows than asked for, or none, while more follow: its cursor says where the search goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, Q, QuerySet, Value
from django.db.models.sql.where import WhereNode

from chancery.apps.shared.aside import looked_at
from chancery.apps.shared.look import EVERYTHING, Look, Span, write
from chancery.core.errors import Invalid

M = TypeVar("M", bound=Model)
R = TypeVar("R")
COUNT_CAP = 10_000
WINDOW = 1_000
"""Rows looked at for one page where no index holds exactly what was asked for."""
COUNT_WINDOW = 500
"""Rows looked at then for the count, which says that it is not the whole."""


@dataclass(frozen=True)
class Page(Generic[R]):
    """One page of rows, and the cursors beside it ('' at an end)."""

    items: list[R]
    next: str
    previous: str
    _count: Callable[[], str] = field(repr=False, compare=False)

    @cached_property
    def count_text(self) -> str:
        """The number of all rows as people read it; '' but on the first page. Only who asks for it has them counted."""
        return self._count()


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
    span: Span = EVERYTHING,
    filters: Sequence[Filter] = (),
    scope: Sequence[Q] | None = None,
) -> Page[M]:
    """Return one page of `rows` sorted by `order` (a field, '-' for descending), ties broken by id.

    The field lies in `span`, `filters` all hold, and one of `scope` (disjoint conditions, each served; None for no
    condition).
    """
    look = Look(rows.model, order, cursor, size, span)
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
    ahead = write(edge, backwards=look.backwards) if more and edge is not None else ""
    behind = write(first, backwards=not look.backwards) if look.edge is not None and first is not None else ""
    return Page(
        items=found,
        next=behind if look.backwards else ahead,
        previous=ahead if look.backwards else behind,
        _count=partial(_total, sources, look) if cursor == "" else str,
    )


def capped_count(rows: QuerySet[Any]) -> str:
    """Return the number of rows as text; above ten thousand it is '10 000+', so it stays cheap."""
    return count_text(_counted(rows.order_by(), COUNT_CAP))


def count_text(number: int, *, open_end: bool = False) -> str:
    """Return a number as people read it; `open_end` says that there may be more."""
    text = f"{min(number, COUNT_CAP):,}".replace(",", " ")
    return f"{text}+" if open_end or number > COUNT_CAP else text


def any_of(parts: Iterable[Q]) -> Q:
    """Return the condition that a row meets which meets one of `parts`."""
    found = Q()
    for part in parts:
        found |= part
    return found


class _Source(Generic[M]):
    """Rows that an index holds in order, and the conditions that are left to be looked at row by row."""

    def __init__(self, rows: QuerySet[M], rest: list[Filter]) -> None:
        self._rows, self._whole, self._window = rows, rows, False
        every = rows.model._default_manager.order_by()
        few = next((f for f in rest if f.served and _counted(every.filter(f.q), WINDOW) <= WINDOW), None)
        if few is not None:
            self._rows = rows.filter(pk__in=every.filter(few.q).values("pk")[:WINDOW])
        elif rest:
            self._window = True
        self._rest = [f.q for f in rest]
        if self._window:
            self._rows, self._rest = looked_at(self._rows, self._rest)

    def fetch(self, look: Look) -> tuple[list[M], tuple[Any, ...] | None]:
        """Return one row more than asked for if there are so many, and where the search had to stop, if it had to."""
        rows = look.ordered(self._rows)
        if not self._window:
            return list(rows.filter(*self._rest)[: look.size + 1]), None
        # Where most rows meet the conditions, the next few will do.
        for window in (4 * (look.size + 1), WINDOW):
            edge = look.far(rows, window)
            matching = look.ordered(self._rows, edge).filter(*self._rest)
            # First the keys alone: where an index has all that is looked at, only rows of the page are read.
            keys = list(matching.values_list("pk", flat=True)[: look.size + 1])
            if len(keys) > look.size or edge is None:
                break
        found = _by_keys(self._whole, keys)
        return found, None if len(found) > look.size else edge

    def count(self, look: Look, most: int) -> tuple[int, bool]:
        """Return a number of rows, `most` + 1 for more, and whether there may be some that were not looked at."""
        if not self._window:
            # In order, so that the index which holds it is taken: to PostgreSQL the table itself seems as near.
            rows = look.ordered(self._rows).order_by(look.fields[0])
            return _counted(rows.filter(*self._rest), most), False
        edge = look.far(look.ordered(self._rows), COUNT_WINDOW)
        return _counted(look.ordered(self._rows, edge).filter(*self._rest), most), edge is not None


def _sources(rows: QuerySet[M], look: Look, filters: list[Filter], scope: Sequence[Q] | None) -> list[_Source[M]]:
    within = [] if scope is None else [Filter(any_of(scope), served=False)]
    anchor = next((f for f in filters if f.served and f.ordered), None) if look.by_id else None
    if anchor is not None:
        return [_Source(rows.filter(anchor.q), [f for f in filters if f is not anchor] + within)]
    if look.by_id and scope is not None:
        return [_Source(rows.filter(q), filters) for q in scope]
    return [_Source(rows, filters + within)]


def _by_keys(rows: QuerySet[M], keys: list[Any]) -> list[M]:
    """Return the rows that have these keys, in their order; that they meet every condition has been seen.

    Said again, an index of one condition seems nearer to SQLite than fifty keys, and it reads thousands of rows for them.
    """
    plain = rows.order_by()
    plain.query.where = WhereNode()
    found = {row.pk: row for row in plain.filter(pk__in=keys)}
    return [found[key] for key in keys if key in found]


def _merged(
    fetched: list[tuple[list[M], tuple[Any, ...] | None]], look: Look
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
    some = rows.annotate(one=Value(1)).values("one")[: most + 1]
    try:
        sql, params = some.query.sql_with_params()
    except EmptyResultSet:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({sql}) subquery", params)
        return int(cursor.fetchone()[0])


def _total(sources: Sequence[_Source[Any]], look: Look) -> str:
    number, open_end = 0, False
    for source in sources:
        if number > COUNT_CAP:
            break
        found, more = source.count(look, COUNT_CAP - number)
        number, open_end = number + found, open_end or more
    return count_text(number, open_end=open_end)


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
