"""What the account offers to choose from (B2): products, organisations with their validation, divisions, custom fields."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.read import day, flag, number, rows, table, word
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Choice

PAGE = 1000
"""Rows of a page; DigiCert gives no more (B2)."""
_MOST_PAGES = 50
_LISTS: dict[str, tuple[str, str, str, str]] = {
    "product": ("product", "products", "name_id", "name"),
    "organization_id": ("organization", "organizations", "id", "name"),
    "container_id": ("container", "containers", "id", "name"),
    "reference_field_id": ("account/metadata", "metadata", "id", "label"),
}
"""Field → (path, list, value, label)."""
_PAGED = {"organization", "domain", "request"}
_ACTIVE = {"filters[status]": "active", "include_validation": "true"}


def choices(client: Client, field: str) -> list[Choice]:
    """Return the pick list of a field; [] for one that has none. What cannot be used is not offered."""
    if field not in _LISTS:
        return []
    path, listed, value, label = _LISTS[field]
    query = dict(_ACTIVE) if field == "organization_id" else {}
    found = pages(client, path, listed, query) if path in _PAGED else iter(rows(client.get(path).get(listed)))
    usable = (row for row in found if word(row.get(value)) and flag(row.get("is_active")) is not False)
    return [_choice(row, word(row.get(value)), word(row.get(label))) for row in usable]


def _choice(row: dict[str, Any], value: str, label: str) -> Choice:
    more = [f"{kind} until {until:%Y-%m-%d}" for kind, until in validations(row)]
    more += [word(row.get(name)) for name in ("group_name", "data_type") if word(row.get(name))]
    detail = {n: word(row.get(n)) for n in ("group_name", "type", "parent_id") if word(row.get(n))}
    return Choice(value, f"{label or value} ({', '.join(more)})" if more else label or value, detail)


def pages(
    client: Client, path: str, listed: str, query: dict[str, str] | None = None, *, need: str = "usual"
) -> Iterator[dict[str, Any]]:
    """Give every row of a list, page by page to its end; raises `ProtocolViolation` for a list that never ends."""
    seen: set[str] = set()
    offset = 0
    for _ in range(_MOST_PAGES):
        answer = client.get(path, {**(query or {}), "limit": str(PAGE), "offset": str(offset)}, need=need)
        found = rows(answer.get(listed))
        fresh = [row for row in found if number(row.get("id")) not in seen]
        seen |= {number(row.get("id")) for row in fresh}
        yield from fresh
        offset += len(found)
        total = int(number(table(answer.get("page")).get("total")) or 0)
        if not fresh or (offset >= total and len(found) < PAGE):
            return
    text = f"The list at {path} does not end."
    raise ProtocolViolation(text, code="endless", stage="response", bytes_sent=False)


def validations(row: dict[str, Any]) -> list[tuple[str, date]]:
    """Return which validations of an organisation or a domain may be used until when, the longest first."""
    shown = [(word(v.get("type")) or "validation", day(v.get("validated_until"))) for v in rows(row.get("validations"))]
    return sorted(((kind, until) for kind, until in shown if until is not None), key=lambda v: v[1], reverse=True)


def ends_before(row: dict[str, Any], moment: datetime) -> bool:
    """Say whether no validation reaches beyond a moment; one that shows no end is not blamed."""
    known = validations(row)
    return bool(known) and known[0][1] <= moment.date()
