"""Lists of V1: products, groups, organisations, domains, and the report of orders."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from chancery.authorities.emsign.simulator import account
from chancery.authorities.emsign.simulator.book import Book, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.products import CATEGORIES, PRODUCTS, by_code
from chancery.authorities.emsign.simulator.v1.envelope import Refusal
from chancery.authorities.emsign.simulator.v1.ordering import part
from chancery.authorities.emsign.simulator.v1.showing import ids, row, stamp
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials

MOST = 500


class Reading:
    """Reads; nothing of it changes."""

    def __init__(self, book: Book, lifecycle: Lifecycle, dials: Dials, clock: Clock) -> None:
        self._book, self._lifecycle, self._dials, self._clock = book, lifecycle, dials, clock

    def products(self, body: dict[str, Any]) -> dict[str, Any]:
        """`GetProductDetails`; some accounts answer an empty list without a group."""
        group = str(part(body, "productDetails").get("groupNumber") or "")
        if not account.group(group):
            return {"productDetails": []}
        return {
            "productDetails": [
                {
                    "categoryName": name, "categoryID": ident, "currencyType": "USD",
                    "products": [
                        {"productCode": p.code, "productName": p.name, "productTypeID": p.type_id, "price": p.price}
                        for p in PRODUCTS if p.category == ident
                    ],
                }
                for ident, name in CATEGORIES.items()
            ]
        }  # fmt: skip

    def fields(self, body: dict[str, Any]) -> dict[str, Any]:
        """`GetFieldDetails`."""
        if by_code(str(part(body, "productDetails").get("productCode") or "")) is None:
            raise Refusal("EMS-1162", "Invalid product code.")
        return {"fieldDetails": []}

    @staticmethod
    def groups(body: dict[str, Any]) -> dict[str, Any]:
        """`GetGroupDetails`."""
        del body
        return {"groupDetails": [{k: g[k] for k in ("groupNumber", "groupName")} for g in account.GROUPS]}

    @staticmethod
    def organizations(body: dict[str, Any]) -> dict[str, Any]:
        """`GetOrganizationDetails`."""
        del body
        rows = [
            {
                "organizationNumber": o["number"],
                "organizationName": o["name"],
                "organizationStatusId": "1" if o["active"] else "0",
            }
            for o in account.ORGANIZATIONS
        ]
        return {"organizationDetails": rows}

    def domains(self, body: dict[str, Any]) -> dict[str, Any]:
        """`GetDomainDetails`."""
        del body
        return {
            "domainDetails": [
                {"domainName": d.name, "dcvStatus": d.check.status, "validTill": stamp(d.until)}
                for d in self._book.domains
            ]
        }

    def report(self, body: dict[str, Any]) -> dict[str, Any]:
        """`GetOrderReport`; a page past the end is the last page once more."""
        wanted = part(body, "searchCriteria")
        rows = [o for o in reversed(self._book.orders) if self._fits(o, wanted)]
        size = min(max(_number(wanted, "pageSize", 100), 1), MOST)
        pages = max(1, -(-len(rows) // size))
        page = min(max(_number(wanted, "pageNumber", 1), 1), pages)
        tags = not self._dials.now.hides_tags
        listed = [row(o, self._lifecycle, tags=tags) for o in rows[(page - 1) * size : page * size]]
        told = {"noOfPages": pages, "totalNoOfResults": len(rows), "pageSize": size, "currentPage": page}
        return {"orderDetails": {**{k: str(v) for k, v in told.items()}, "ordersArray": listed}}

    def _fits(self, order: Order, wanted: dict[str, Any]) -> bool:
        day = order.created.date()
        first, last = _day(wanted, "orderDateFrom", date.min), _day(wanted, "orderDateTill", date.max)
        seen = order.created + timedelta(seconds=self._dials.now.slow_index) <= self._clock.now()
        status = ids(order, self._lifecycle.status(order))[0]
        equal = {
            "productCode": order.product.code, "groupNumber": order.group, "domainName": order.names[0],
            "orderNumber": order.number, "orderStatusId": status, "requestorEmailId": order.email,
            "certificateTrustType": "1" if order.product.public else "2",
        }  # fmt: skip
        return seen and first <= day <= last and all(str(wanted.get(k) or "") in {"", v} for k, v in equal.items())


def _day(wanted: dict[str, Any], name: str, default: date) -> date:
    text = str(wanted.get(name) or "")
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise Refusal("EMS-956", "Invalid request.") from None


def _number(wanted: dict[str, Any], name: str, default: int) -> int:
    text = str(wanted.get(name) or default)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refusal("EMS-956", "Invalid request.")
    return int(text)
