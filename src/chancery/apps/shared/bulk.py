"""Many rows at once: COPY on PostgreSQL, `executemany` on SQLite. One function, so one place to be fast.

Values are handed over as the database stores them: callers give Python values, this module turns
UUIDs, times, JSON and bytes into what each database wants, the same way Django's fields do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import JSONField, Model
from django.db.models.fields import DateTimeField, UUIDField

from chancery.apps.shared.fields import target_of

_COPY_FROM = 8
"""Fewer rows than this are not worth a COPY."""

Convert = Callable[[Any], Any]


def insert(model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert `rows`, whose values stand in the order of `columns` (column names), in one go."""
    if not rows:
        return
    write = _insert_postgresql if connection.vendor == "postgresql" else _insert_sqlite
    # The driver's own calls below raise its own errors; everybody above knows the framework's.
    with connection.wrap_database_errors:
        write(model, tuple(columns), rows)


def _insert_postgresql(model: type[Model], columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(connection.ops.quote_name(c) for c in columns)
    values = _converted(rows, _converters(model, columns, "postgresql"))
    with connection.cursor() as cursor:
        if len(rows) < _COPY_FROM:
            marks = ", ".join(["%s"] * len(columns))
            sql = f"INSERT INTO {table} ({names}) VALUES " + ", ".join([f"({marks})"] * len(rows))
            cursor.execute(sql, [value for row in values for value in row])
            return
        with cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)


def _insert_sqlite(model: type[Model], columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    values = _converted(rows, _converters(model, columns, "sqlite"))
    connection.ensure_connection()
    # The driver's own statements: Django's rewrites every `%s` and logs each row.
    execute, begin = connection.connection.execute, 0
    for size in _AT_ONCE:
        while len(values) - begin >= size:
            part = values[begin : begin + size]
            execute(_statement(model, columns, size), [value for row in part for value in row])
            begin += size


_AT_ONCE = (32, 16, 8, 4, 2, 1)
"""Rows of one statement. Between two statements whoever inserts may have to wait for all other threads of the process, and
each of these few is prepared once."""


@lru_cache(maxsize=256)
def _statement(model: type[Model], columns: tuple[str, ...], rows: int) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(connection.ops.quote_name(c) for c in columns)
    marks = f"({', '.join(['?'] * len(columns))})"
    return f"INSERT INTO {table} ({names}) VALUES {', '.join([marks] * rows)}"


def _converted(rows: Sequence[Sequence[Any]], converters: Sequence[tuple[int, Convert]]) -> list[list[Any]]:
    """Return copies of the rows with those columns converted that need it; `None` stays."""
    values = [list(row) for row in rows]
    for index, convert in converters:
        for row in values:
            value = row[index]
            if value is not None:
                row[index] = convert(value)
    return values


@lru_cache(maxsize=256)
def _converters(model: type[Model], columns: tuple[str, ...], vendor: str) -> tuple[tuple[int, Convert], ...]:
    fields = {f.column: f for f in model._meta.concrete_fields}
    found = ((index, _converter(target_of(fields[column]), vendor)) for index, column in enumerate(columns))
    return tuple((index, convert) for index, convert in found if convert is not None)


def _converter(field: Any, vendor: str) -> Convert | None:
    if isinstance(field, JSONField):
        return _json
    if vendor == "postgresql":
        return None
    if isinstance(field, UUIDField):
        return _hex
    return _sqlite_time if isinstance(field, DateTimeField) else None


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def _json(value: Any) -> str:
    # Most JSON columns of most rows are still empty.
    return "{}" if value == {} else _encode(value)


def _hex(value: UUID) -> str:
    return value.hex


@lru_cache(maxsize=1024)
def _sqlite_time(value: datetime) -> str:
    # As the framework writes times; a batch shares a few moments, so they are written once.
    return str(value.astimezone(UTC).replace(tzinfo=None))
