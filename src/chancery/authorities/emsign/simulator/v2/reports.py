"""`GET /reports/orders` and `/reports/ledger`: paged from 1; a page past the end is the last page once more."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from chancery.authorities.emsign.simulator.book import Book, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.v2.refusal import Refusal, missing
from chancery.authorities.emsign.simulator.v2.showing import stamp, states
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Handler, Reply, json_reply

STATUSES = {"issued", "revoked", "expired", "cancelled", "rejected", "pending-approval"}
MOST = 100


class Reports:
    """Lists."""

    def __init__(self, book: Book, lifecycle: Lifecycle, dials: Dials, clock: Clock) -> None:
        self._book, self._lifecycle, self._dials, self._clock = book, lifecycle, dials, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [("GET", "/reports/orders", self._orders), ("GET", "/reports/ledger", self._ledger)]

    def _orders(self, asked: Asked) -> Reply:
        if self._dials.now.no_reports:
            raise Refusal(501, "Not implemented yet.")
        status, group = asked.first("status"), asked.first("groupNumber")
        if status and status not in STATUSES:
            raise Refusal(422, "Unknown status.")
        first, last = _day(asked, "from", date.min), _day(asked, "to", date.max)
        seen = self._clock.now() - timedelta(seconds=self._dials.now.slow_index)
        rows = [o for o in reversed(self._book.orders) if first <= o.created.date() <= last and o.created <= seen]
        rows = [o for o in rows if group in {"", o.group} and status in {"", self._lifecycle.status(o)}]
        return json_reply(_paged(asked, rows, self._row))

    def _ledger(self, asked: Asked) -> Reply:
        rows = [o for o in reversed(self._book.orders) if o.number and not o.base]
        return json_reply(_paged(asked, rows, _money))

    def _row(self, order: Order) -> dict[str, Any]:
        of_order, of_certificate = states(order, self._lifecycle.status(order))
        leaf, stale = order.leaf, self._dials.now.stale_shapes
        until = stamp(leaf.not_valid_after_utc) if leaf is not None else ""
        row = {
            "orderNumber": order.number, "requestNumber": order.request, "orderDate": stamp(order.created),
            "orderStatus": of_order, "certificateStatus": of_certificate, "certificateExpiryDate": until,
            "certificateSerialNumber": order.serial, "domainName": order.names[0] if order.product.public else "",
            "issuerCA": leaf.issuer.rfc4514_string().removeprefix("CN=") if leaf is not None else "",
            "productCode": order.product.code, "groupNumber": order.group, "organizationName": "",
            "originator": order.originator, "tags": order.tags, "customFields": [], "countryName": "United States",
        }  # fmt: skip
        if self._dials.now.hides_tags:
            row.pop("tags")
        return {**row, "productCode": ""} if stale else row


def _money(order: Order) -> dict[str, Any]:
    day = order.created.strftime("%Y-%m-%d")
    return {"date": day, "orderId": order.number, "product": order.product.name, "totalAmount": order.product.price}


def _day(asked: Asked, name: str, default: date) -> date:
    text = asked.first(name)
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise missing(name, "must be a date") from None


def _paged(asked: Asked, rows: list[Order], show: Any) -> dict[str, Any]:
    size = min(max(_number(asked, "size", 50), 1), MOST)
    pages = max(1, -(-len(rows) // size))
    page = min(max(_number(asked, "page", 1), 1), pages)
    listed = [show(o) for o in rows[(page - 1) * size : page * size]]
    return {"content": listed, "page": page, "size": size, "totalElements": len(rows), "totalPages": pages}


def _number(asked: Asked, name: str, default: int) -> int:
    text = asked.first(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise missing(name, "must be a number")
    return int(text)
