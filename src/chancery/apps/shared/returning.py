"""Statements written out: conditional updates that return the rows they changed, and what every request asks.

Both databases have `UPDATE … RETURNING`, the ORM has not. Values go in and come out as Python values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.sqlite3.base import FORMAT_QMARK_REGEX
from django.db.models import JSONField, Model
from django.db.models.fields import BooleanField, DateTimeField, UUIDField

from chancery.apps.shared.fields import target_of

M = TypeVar("M", bound=Model)


def returned(model: type[Model], columns: Sequence[str], sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    """Run `sql`, which ends before RETURNING, and return `columns` (attribute names) of each changed row."""
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {_wanted(model, columns)}", [_adapted(p) for p in params])
        rows = cursor.fetchall()
    return _as_dicts(model, columns, rows)


def columns_of(model: type[Model], columns: Sequence[str], sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    """Return `columns` (attribute names) of rows of one table; `sql` begins at FROM. For what is asked as often as `read`."""
    return _as_dicts(model, columns, read(f"SELECT {_wanted(model, columns)} {sql}", params))


def _wanted(model: type[Model], columns: Sequence[str]) -> str:
    return _columns(model, tuple(columns), connection.vendor)


@lru_cache(maxsize=64)
def _columns(model: type[Model], columns: tuple[str, ...], vendor: str) -> str:
    del vendor  # it decides how a name is quoted
    fields = {f.attname: f.column for f in model._meta.concrete_fields}
    return ", ".join(connection.ops.quote_name(fields[name]) for name in columns)


def _as_dicts(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    readers = _readers(model, tuple(columns), connection.vendor)
    return [dict(zip(columns, _read(row, readers), strict=True)) for row in rows]


def key(value: UUID | str) -> UUID:
    """Return a key that `read` brought: SQLite keeps it as text."""
    return _uuid(value) if isinstance(value, str) else value


def read(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a SELECT that is asked so often that building it each time would cost more than running it.

    On PostgreSQL it is prepared once for each connection: planning a small one costs several times what running it does. On
    SQLite it goes to the driver as it is, which keeps it prepared; what the framework does around it costs as much again.
    """
    here = connections[DEFAULT_DB_ALIAS]
    if here.vendor == "postgresql":
        return _prepared(sql, params)
    if here.queries_logged:
        # Whoever counts what is asked finds this as well.
        with here.cursor() as cursor:
            cursor.execute(sql, [_as_text(p) for p in params])
            return list(cursor.fetchall())
    here.validate_no_broken_transaction()
    here.ensure_connection()
    with here.wrap_database_errors:
        found: list[tuple[Any, ...]] = here.connection.execute(_marked(sql), [_as_text(p) for p in params]).fetchall()
    return found


@lru_cache(maxsize=256)
def _marked(sql: str) -> str:
    """Return a statement with the marks that SQLite has for values, as the framework writes them."""
    return str(FORMAT_QMARK_REGEX.sub("?", sql)).replace("%%", "%")


def _prepared(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    from psycopg import Cursor  # only where PostgreSQL is the database

    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        return cursor.execute(sql, params, prepare=True).fetchall()


def instances(model: type[M], sql: str, params: Sequence[Any]) -> list[M]:
    """Return whole rows of a table as instances; `sql` begins at FROM. For what is asked as often as `read`."""
    return [row for (row,) in joined([(model, ())], sql, params)]


def joined(
    wanted: Sequence[tuple[type[Model], Sequence[str]]], sql: str, params: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Return rows of several tables at once as instances, for what is asked as often as `read`; `sql` begins at FROM.

    Each model comes with the attribute names that are read of it (none for all), the key among them; the tables have their
    own names in `sql`. Where an outer join found nothing, None stands for the instance.
    """
    parts, columns = _parts(tuple((model, tuple(names)) for model, names in wanted), connection.vendor)
    return [tuple(part.made(row) for part in parts) for row in read(f"SELECT {columns} {sql}", params)]


@dataclass(frozen=True, slots=True)
class _Part:
    """What is read of one table, and where in the row it begins."""

    model: type[Model]
    names: tuple[str, ...]
    columns: str
    converted: tuple[tuple[int, Callable[[Any], Any]], ...]
    key: int
    begin: int = 0

    def made(self, row: Sequence[Any]) -> Model | None:
        values = list(row[self.begin : self.begin + len(self.names)])
        if values[self.key] is None:
            return None
        for index, read_as in self.converted:
            if values[index] is not None:
                values[index] = read_as(values[index])
        return self.model.from_db(DEFAULT_DB_ALIAS, self.names, values)


@lru_cache(maxsize=64)
def _parts(wanted: tuple[tuple[type[Model], tuple[str, ...]], ...], vendor: str) -> tuple[tuple[_Part, ...], str]:
    """Return where in a row each of the models begins, and the columns to ask for."""
    parts = [_part(model, names, vendor) for model, names in wanted]
    begins = accumulate((len(part.names) for part in parts), initial=0)
    placed = tuple(replace(part, begin=begin) for part, begin in zip(parts, begins, strict=False))
    return placed, ", ".join(part.columns for part in parts)


def _part(model: type[Model], names: tuple[str, ...], vendor: str) -> _Part:
    fields = {f.attname: f for f in model._meta.concrete_fields if not names or f.attname in names}
    table = connection.ops.quote_name(model._meta.db_table)
    columns = ", ".join(f"{table}.{connection.ops.quote_name(f.column)}" for f in fields.values())
    key = [f.primary_key for f in fields.values()].index(True)
    readers = enumerate(_readers(model, tuple(fields), vendor))
    return _Part(model, tuple(fields), columns, tuple((i, r) for i, r in readers if r is not None), key)


def execute(sql: str, params: Sequence[Any]) -> int:
    """Run a statement that the ORM has no form for, and return how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [_adapted(p) for p in params])
        return int(cursor.rowcount)


def one_of(values: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the SQL that follows a column to compare it with any of `values`, and its parameters."""
    if connection.vendor == "postgresql":
        return "= ANY(%s)", [list(values)]
    return f"IN ({', '.join(['%s'] * len(values))})", list(values)


def counted(sql: str, ids: Sequence[UUID], most: int) -> dict[UUID, int]:
    """Run `sql`, which takes `most` and ends before the comparison with `ids`, for id → number."""
    some, values = one_of(ids)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} {some}", [most, *[_adapted(v) for v in values]])
        return {key(ident): number for ident, number in cursor.fetchall()}


def skip_locked() -> str:
    """Return what makes a selecting part pass over rows that another worker holds."""
    # SQLite has one writer at a time, so there is nothing to pass over.
    return " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""


def held(model: type[Model], ids: Iterable[UUID], *, skip: bool = False) -> set[UUID]:
    """Return which of `ids` are not deleted, and keep others from changing those rows until the commit.

    `skip` leaves out rows that somebody is changing at this moment, instead of waiting for them. FOR SHARE has no
    form in the ORM; on SQLite the transaction itself is exclusive.
    """
    some, values = one_of(sorted(ids))
    lock = f" FOR SHARE{' SKIP LOCKED' if skip else ''}" if connection.vendor == "postgresql" else ""
    table = connection.ops.quote_name(model._meta.db_table)
    rows = read(f"SELECT id FROM {table} WHERE deleted_at IS NULL AND id {some}{lock}", values)
    return {key(value) for (value,) in rows}


def _adapted(value: Any) -> Any:
    return value if connection.vendor == "postgresql" else _as_text(value)


def _as_text(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    return str(value.astimezone(UTC).replace(tzinfo=None)) if isinstance(value, datetime) else value


def _read(row: Sequence[Any], readers: Sequence[Callable[[Any], Any] | None]) -> list[Any]:
    return [r(v) if r is not None and v is not None else v for r, v in zip(readers, row, strict=True)]


@lru_cache(maxsize=64)
def _readers(model: type[Model], columns: tuple[str, ...], vendor: str) -> tuple[Callable[[Any], Any] | None, ...]:
    fields = {f.attname: f for f in model._meta.concrete_fields}
    return tuple(_reader(target_of(fields[name]), vendor) for name in columns)


def _reader(field: Any, vendor: str) -> Callable[[Any], Any] | None:
    if isinstance(field, JSONField):
        return json.loads
    if vendor == "postgresql":
        return None
    if isinstance(field, UUIDField):
        return _uuid
    if isinstance(field, BooleanField):
        return bool
    return _moment if isinstance(field, DateTimeField) else None


@lru_cache(maxsize=8192)
def _uuid(text: str) -> UUID:
    # What is claimed comes by once more when it is completed, and whole batches share a profile.
    return UUID(text)


def _moment(value: datetime | str) -> datetime:
    # The driver converts columns whose declared type it sees, which RETURNING does not promise.
    parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
    return parsed.replace(tzinfo=UTC)
