"""Conditions that are looked at row by row, in the order of an index that has been chosen already.

A planner that sees an equality takes an index for it, reads all rows that meet it, and sorts them; where many do, that is
what a bounded search must not become.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db.models import F, Func, Model, Q, QuerySet

from chancery.apps.shared.fields import target_of

M = TypeVar("M", bound=Model)


class _Aside(Func):
    """A column as it is, in a form for which no index is taken: the planners know no better than to read all it leads to."""

    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        """Return the column behind a plus, which SQLite documents for this."""
        return super().as_sql(compiler, connection, template="+%(expressions)s", **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        """Return the first of the column and itself that is not NULL."""
        return super().as_sql(compiler, connection, template="COALESCE(%(expressions)s, %(expressions)s)", **more)


def looked_at(rows: QuerySet[M], rest: list[Q]) -> tuple[QuerySet[M], list[Q]]:
    """Return the rows, and the conditions in a form that is looked at row by row."""
    columns = {name.partition("__")[0] for q in rest for name in _lookups(q)}
    aside = {
        f"aside_{column}": _Aside(F(column), output_field=target_of(rows.model._meta.get_field(column)))
        for column in columns
    }
    return rows.alias(**aside), [_renamed(q) for q in rest]


def _lookups(q: Any) -> Iterator[str]:
    for child in q.children:
        yield from _lookups(child) if isinstance(child, Q) else [child[0]]


def _renamed(q: Any) -> Any:
    children = [_renamed(c) if isinstance(c, Q) else (f"aside_{c[0]}", c[1]) for c in q.children]
    return Q.create(children=children, connector=q.connector, negated=q.negated)
