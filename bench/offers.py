"""What each listing is asked: its first page, a page half-way down, and everything that it offers.

What it offers is read off the API's own description: each parameter with each of its choices, so that none is forgotten. Only
what cannot be read there stands in `bench.catalogue`: values of parameters that take anything, and what is asked together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model, QuerySet

from chancery.apps.shared.look import Look, write
from chancery.doors.api.api import api

Asked = dict[str, str]
_DEEP = 0.5
"""How deep the deep page lies: at two hundred thousand rows it is a hundred thousand deep."""
_PAGING = frozenset({"cursor", "size", "ident"})
_OTHERS = frozenset({"name", "since", "until"})
"""Parameters whose values are others at each size, as ids and serial numbers are."""
_LONG = 20
"""Characters of what is an id or a serial number."""
_ROOT = "/api/v1/"


@dataclass(frozen=True)
class Listing:
    """One listing of the API, and the console's page that shows the same.

    `rows` are what it lists, in its usual `order`; `of` gives whose rows, where its address has an id. `route` is the name of
    the console's page, `page` its address ('': it has none); `lacks` are parameters that the page does not offer. `values` are
    of the parameters that take anything, `more` what is asked besides, `always` what the API is told each time.
    """

    rows: Callable[..., QuerySet[Any]]
    order: str = "-id"
    route: str = ""
    page: str = ""
    of: Callable[[], Model] | None = None
    lacks: frozenset[str] = frozenset()
    values: dict[str, Callable[[], list[str]]] = field(default_factory=dict)
    more: Callable[[], list[Asked]] = list
    always: Asked = field(default_factory=dict)


@cache
def operations() -> dict[str, dict[str, list[str]]]:
    """Return each operation of the API that answers with a list: address → parameter → its choices, none for any value."""
    schema = api.get_openapi_schema()
    found = {}
    for path, methods in schema["paths"].items():
        if "get" in methods and _lists(schema, methods["get"]):
            offered = methods["get"].get("parameters", ())
            chosen = {p["name"]: [c for c in p["schema"].get("enum", ()) if c] for p in offered if p["in"] == "query"}
            found[path.removeprefix(_ROOT)] = chosen
    return found


def _lists(schema: dict[str, Any], operation: dict[str, Any]) -> bool:
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    model = schema["components"]["schemas"].get(answer.get("$ref", "").rpartition("/")[2], {})
    return model.get("properties", {}).get("items", {}).get("type") == "array"


def paths(listings: dict[str, Listing]) -> dict[str, list[str]]:
    """Return everything that is asked: what it is called → door and address."""
    found: dict[str, list[str]] = {}
    for where, listing in listings.items():
        name = " ".join(word for word in where.split("/") if "{" not in word)
        ident = {"ident": str(listing.of().pk)} if listing.of is not None else {}
        for asked in asks(where, listing):
            address = f"{_ROOT}{where.format(**ident)}?{urlencode({**listing.always, **asked})}"
            said = _short(asked, operations()[where])
            found[f"api {name} {said}"] = ["api", address]
            if listing.page and not listing.lacks & set(asked):
                address = f"{listing.page.format(**ident)}?{urlencode(asked)}"
                found[f"console {name} {said}"] = ["console", address]
    return found


def asks(where: str, listing: Listing) -> Iterator[Asked]:
    """Yield what a listing is asked, one after the other; raises `KeyError` for an offer that nobody has a value for."""
    offered = operations()[where]
    yield {}
    if "cursor" in offered:
        yield {"cursor": _deep(listing)}
    for name, choices in offered.items():
        if name not in _PAGING and name not in listing.always:
            yield from ({name: value} for value in choices or listing.values[name]())
    yield from listing.more()


def _deep(listing: Listing) -> str:
    # The pages' own way to write where they go on; nobody but this asks for it without having been there.
    rows = listing.rows(listing.of()) if listing.of is not None else listing.rows()
    row = rows.order_by(listing.order)[int(rows.count() * _DEEP)]
    return write(Look(rows.model, listing.order, "", 1).key(row), backwards=False)


def _short(asked: Asked, offered: dict[str, list[str]]) -> str:
    # The offer is the same at each size; what is asked for is another, where it is none of a few choices.
    alike = {k for k, v in asked.items() if v in offered[k] or (k not in _OTHERS and len(v) < _LONG)}
    said = ("deep" if k == "cursor" else f"{k}={v if k in alike else 'one'}" for k, v in asked.items())
    return " ".join(said) or "first page"
