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
from django.db.models.fields import BinaryField, DateTimeField, UUIDField

_COPY_FROM = 8
"""Fewer rows than this are not worth a COPY."""

Convert = Callable[[Any], Any]


def insert(model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert `rows`, whose values stand in the order of `columns` (column names), in one go."""
    if not rows:
        return
    if connection.vendor == "postgresql":
        _insert_postgresql(model, tuple(columns), rows)
    else:
        _insert_sqlite(model, tuple(columns), rows)


def _insert_postgresql(model: type[Model], columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(connection.ops.quote_name(c) for c in columns)
    converts = _converters(model, columns, "postgresql")
    with connection.cursor() as cursor:
        if len(rows) < _COPY_FROM:
            marks = ", ".join(["%s"] * len(columns))
            sql = f"INSERT INTO {table} ({names}) VALUES " + ", ".join([f"({marks})"] * len(rows))
            cursor.execute(
                sql, [c(v) if v is not None else None for row in rows for c, v in zip(converts, row, strict=True)]
            )
            return
        with cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([c(v) if v is not None else None for c, v in zip(converts, row, strict=True)])


def _insert_sqlite(model: type[Model], columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(connection.ops.quote_name(c) for c in columns)
    marks = ", ".join(["?"] * len(columns))
    converts = _converters(model, columns, "sqlite")
    values = [tuple(c(v) if v is not None else None for c, v in zip(converts, row, strict=True)) for row in rows]
    connection.ensure_connection()
    # The driver's own cursor: Django's rewrites every `%s` and logs each row.
    connection.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)


@lru_cache(maxsize=256)
def _converters(model: type[Model], columns: tuple[str, ...], vendor: str) -> tuple[Convert, ...]:
    fields = {f.column: f for f in model._meta.concrete_fields}
    return tuple(_converter(fields[column], vendor) for column in columns)


def _converter(field: Any, vendor: str) -> Convert:
    target = field
    while getattr(target, "target_field", None) is not None and target.is_relation:
        target = target.target_field
    if isinstance(target, JSONField):
        return _json
    if isinstance(target, UUIDField):
        return _keep if vendor == "postgresql" else _hex
    if isinstance(target, DateTimeField):
        return _keep if vendor == "postgresql" else _sqlite_time
    if isinstance(target, BinaryField):
        return bytes
    return _keep


def _keep(value: Any) -> Any:
    return value


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _hex(value: UUID) -> str:
    return value.hex


def _sqlite_time(value: datetime) -> str:
    return str(value.astimezone(UTC).replace(tzinfo=None))
