"""Filters, sorting and pages of lists (B2, B3.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from chancery.authorities.digicert.simulator.refusal import invalid
from chancery.authorities.digicert.simulator.state import Order, is_number
from chancery.sandbox.frame import Asked as Http

MOST_ROWS = 1000
_DIGITS = re.compile(r"[0-9]{1,18}")
_UNDER_PENDING = {"pending", "needs_approval", "needs_csr", "processing"}
_Test = Callable[[Any], bool]
_Show = Callable[[Order], str]


def page(http: Http, rows: list[Any]) -> tuple[list[Any], dict[str, int]]:
    """Return the rows of the page that was asked for, and the page itself; raises the 400 of what is no number."""
    limit, offset = _number(http, "limit", MOST_ROWS), _number(http, "offset", 0)
    most = min(limit, MOST_ROWS) or MOST_ROWS
    return rows[offset : offset + most], {"total": len(rows), "limit": most, "offset": offset}


def _number(http: Http, name: str, default: int) -> int:
    text = http.first(name, str(default))
    if not _DIGITS.fullmatch(text):
        raise invalid(name, f"The {name} is not a number.")
    return int(text)


def container_of(http: Http) -> int | None:
    """Return the division that a list is limited to, if any; raises the 400 of what is no number."""
    return _number(http, "container_id", 0) if http.first("container_id") else None


def filters_of(http: Http, known: Iterable[str]) -> dict[str, list[str]]:
    """Return filter → values; a filter that is not documented is refused."""
    found: dict[str, list[str]] = {}
    for name, value in http.query:
        if not name.startswith("filters["):
            continue
        inner = name[8:-1] if name.endswith("]") else ""
        if inner not in set(known):
            raise invalid("filters", f"The filter {name[:60]} is not known.")
        found.setdefault(inner, []).append(value)
    return found


class OrderFilters:
    """The documented filters of the order list; several values of one filter mean any of them."""

    def __init__(self, status: _Show, now: datetime, *, strict_after: bool) -> None:
        self._status, self._now, self._strict = status, now, strict_after

    def known(self) -> dict[str, Callable[[str], _Test]]:
        """Return filter → value → test of one order."""
        return {
            "id": lambda v: self._numbers("id", v, lambda o: o.id),
            "organization_id": lambda v: self._numbers("organization_id", v, _organization),
            "container_id": lambda v: self._numbers("container_id", v, lambda o: o.container),
            "user_id": lambda v: self._numbers("user_id", v, lambda o: o.user.user),
            "certificate_id": lambda v: self._any("certificate_id", v, lambda o: [c.id for c in o.certificates]),
            "metadata_id": lambda v: self._any("metadata_id", v, _fields),
            "status": lambda v: lambda o: self._has_status(o, v),
            "product_name_id": lambda v: lambda o: o.product.name_id == v,
            "common_name": lambda v: lambda o: o.names[0] == v.lower(),
            "domain_name": lambda v: lambda o: v.lower() in o.names,
            "serial_number": lambda v: lambda o: bool(o.primary and o.primary.serial == v.upper()),
            "date_created": lambda v: self._days("date_created", v, lambda o: f"{o.created:%Y-%m-%d}"),
            "valid_till": lambda v: self._days("valid_till", v, _valid_till),
            "is_renewed": lambda v: self._flag("is_renewed", v, lambda o: bool(o.renewed_by)),
            "disable_renewal_notifications": lambda v: self._flag(
                "disable_renewal_notifications", v, lambda o: bool(o.body.get("disable_renewal_notifications"))
            ),
            "email": lambda v: lambda o: v in str(o.body.get("additional_emails") or ""),
            "origin": lambda v: lambda _: v == "certcentral",
            "search": lambda v: lambda o: v.lower() in o.names[0],
        }

    def apply(self, http: Http, rows: list[Order]) -> list[Order]:
        """Return the orders that pass every filter of the request."""
        known = self.known()
        for name, values in filters_of(http, known).items():
            tests = [known[name](value) for value in values]
            rows = [o for o in rows if any(test(o) for test in tests)]
        return rows

    def _has_status(self, order: Order, wanted: str) -> bool:
        status = self._status(order)
        if wanted == "pending":
            return status in _UNDER_PENDING
        return status in {"issued", "expired"} if wanted == "issued" else status == wanted

    def _numbers(self, field: str, value: str, of: Callable[[Order], int]) -> _Test:
        low, middle, high = value.partition("...")
        if not _DIGITS.fullmatch(low) or (middle and not _DIGITS.fullmatch(high)):
            raise invalid(field, "The filter is not a number.")
        return lambda o: int(low) <= of(o) <= int(high or low)

    def _any(self, field: str, value: str, of: Callable[[Order], list[int]]) -> _Test:
        if not _DIGITS.fullmatch(value):
            raise invalid(field, "The filter is not a number.")
        return lambda o: int(value) in of(o)

    def _flag(self, field: str, value: str, of: _Test) -> _Test:
        if value not in {"0", "1"}:
            raise invalid(field, "The filter is 1 or 0.")
        return lambda o: of(o) == (value == "1")

    def _days(self, field: str, value: str, of: _Show) -> _Test:
        sign = value[:1] if value[:1] in {"<", ">"} else ""
        low, _, high = value.removeprefix(sign).partition("...")
        first, last = _day(field, low), _day(field, high or low)
        if sign == "<":
            return lambda o: "" < of(o) < first
        if sign == ">":
            return lambda o: of(o) > first or (not self._strict and of(o) == first)
        return lambda o: first <= of(o) <= last


def _day(field: str, text: str) -> str:
    try:
        stamp = datetime.fromisoformat(text.strip())
    except ValueError:
        raise invalid(field, "The filter is not a date.") from None
    at = stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)
    return f"{at:%Y-%m-%d}"


def _valid_till(order: Order) -> str:
    return f"{order.primary.leaf.not_valid_after_utc:%Y-%m-%d}" if order.primary else ""


_SORTS: dict[str, Callable[[Order], Any]] = {
    "id": lambda o: o.id,
    "order_id": lambda o: o.id,
    "date_created": lambda o: (o.created, o.id),
    "status": lambda o: o.status,
    "common_name": lambda o: o.names[0],
    "product_name_id": lambda o: o.product.name_id,
    "valid_till": _valid_till,
}


def sort(http: Http, rows: list[Order]) -> list[Order]:
    """Return the orders as `sort` says: fields with commas between, a minus for the other way; newest last without."""
    rows = sorted(rows, key=lambda o: o.id)
    for field in reversed([f for f in http.first("sort").split(",") if f]):
        key = _SORTS.get(field.removeprefix("-"))
        if key is None:
            raise invalid("sort", f"The field {field[:40]} cannot be sorted by.")
        rows.sort(key=key, reverse=field.startswith("-"))
    return rows


def _organization(order: Order) -> int:
    found = str((order.body.get("organization") or {}).get("id") or 0)
    return int(found) if is_number(found) else 0


def _fields(order: Order) -> list[int]:
    return [int(f["metadata_id"]) for f in order.body.get("custom_fields") or []]
