"""Keyset pages: as fast a hundred thousand rows deep as on the first page.

A cursor holds the sort values of the row at the edge, so the next page is an index range, not an
offset. Only orders that an index serves may be offered.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model, Q, QuerySet

from chancery.core.errors import Invalid

M = TypeVar("M", bound=Model)
COUNT_CAP = 10_000
MAX_SIZE = 200


@dataclass(frozen=True)
class Page(Generic[M]):
    """One page of rows, the cursors beside it ('' at an end), and the count as people read it."""

    items: list[M]
    next: str
    previous: str
    count_text: str


def paginate(
    rows: QuerySet[M], *, order: str = "id", cursor: str = "", size: int = 50, counted: QuerySet[Any] | None = None
) -> Page[M]:
    """Return one page of `rows` sorted by `order` (a field, '-' for descending), ties broken by id."""
    size = max(1, min(size, MAX_SIZE))
    field, descending = order.lstrip("-"), order.startswith("-")
    fields = (field,) if field in {"id", "pk"} else (field, "id")
    backwards, edge = _read(cursor, fields, rows.model)
    down = descending != backwards
    if edge is not None:
        rows = rows.filter(_beyond(fields, edge, down=down))
    found = list(rows.order_by(*[("-" if down else "") + f for f in fields])[: size + 1])
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    before = more if backwards else edge is not None
    after = edge is not None if backwards else more
    return Page(
        items=found,
        next=_write(fields, found[-1], backwards=False) if found and after else "",
        previous=_write(fields, found[0], backwards=True) if found and before else "",
        count_text=capped_count(rows if counted is None else counted) if cursor == "" else "",
    )


def capped_count(rows: QuerySet[Any]) -> str:
    """Return the number of rows as text; above ten thousand it is '10 000+', so it stays cheap."""
    number = rows.order_by().values("pk")[: COUNT_CAP + 1].count()
    return "10 000+" if number > COUNT_CAP else f"{number:,}".replace(",", " ")


def prefix(field: str, text: str) -> Q:
    """Return the filter *starts with*, in the form that each database answers from an index."""
    if connection.vendor == "postgresql":
        return Q(**{f"{field}__startswith": text})
    return Q(**{f"{field}__gte": text, f"{field}__lt": text + "\U0010ffff"})


def _beyond(fields: Sequence[str], edge: Sequence[Any], *, down: bool) -> Q:
    sign = "lt" if down else "gt"
    first = fields[0]
    if len(fields) == 1:
        return Q(**{f"{first}__{sign}": edge[0]})
    # The redundant first condition is what lets both planners start at the right place of the index.
    return Q(**{f"{first}__{sign}e": edge[0]}) & (
        Q(**{f"{first}__{sign}": edge[0]}) | Q(**{first: edge[0], f"{fields[1]}__{sign}": edge[1]})
    )


def _write(fields: Sequence[str], row: Model, *, backwards: bool) -> str:
    values = [_text(getattr(row, f)) for f in fields]
    raw = json.dumps(["<" if backwards else ">", *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value if isinstance(value, int) else str(value)


def _read(cursor: str, fields: Sequence[str], model: type[Model]) -> tuple[bool, list[Any] | None]:
    if not cursor:
        return False, None
    try:
        way, *values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        edge = [_field(model, f).to_python(v) for f, v in zip(fields, values, strict=True)]
        if way not in {"<", ">"} or any(v is None for v in edge):
            raise ValueError(way)
    except Exception:
        raise Invalid.one(
            "cursor", "This page marker is not one of ours.", "Start again from the first page."
        ) from None
    return way == "<", edge


def by_id(rows: QuerySet[M], ident: object) -> M | None:
    """Return the row with this id, or None also where the text is no id at all."""
    try:
        return rows.filter(pk=ident if isinstance(ident, UUID) else UUID(str(ident))).first()
    except ValueError:
        return None


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)


def uuid_or_none(text: str, field: str) -> UUID | None:
    """Return the id that a filter names, None for an empty one; raises `Invalid` for what is no id."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Invalid.one(field, "This is no id.", "Choose one from the list.") from None
