"""V1's report of orders. V1 shows the request of an order, so one that carries no tag is told by its key."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from chancery.authorities.emsign.read import count, ident, table
from chancery.authorities.emsign.search import Page
from chancery.authorities.emsign.v1.session import Session
from chancery.authorities.emsign.v1.standing import Standing
from chancery.core.csr import parse
from chancery.core.errors import Invalid
from chancery.sdk.authority import Request
from chancery.sdk.errors import OutcomeUnknown

SIZE = 500


class OrderReport:
    """The report, as one request is searched for in it."""

    most_pages = 20

    def __init__(self, session: Session, standing: Standing, request: Request) -> None:
        self._session, self._standing, self._request = session, standing, request

    def page(self, number: int, first: str, last: str) -> Page:
        """Ask for a page of the orders between two days."""
        asked = {"orderDateFrom": first, "orderDateTill": last, "pageNumber": str(number), "pageSize": str(SIZE)}
        answer = table(self._session.read("GetOrderReport", {"searchCriteria": asked}).get("orderDetails"))
        found = answer.get("ordersArray")
        return Page(found, count(answer.get("totalNoOfResults")), count(answer.get("noOfPages")))

    def may_be(self, row: dict[str, Any]) -> bool:
        """Return False: over V1 a renewal is a new order, with day, name and tag of its own."""
        del row
        return False

    def is_ours(self, row: dict[str, Any]) -> bool:
        """Say whether an order is for our key; raises for a draft, which shows no request."""
        number = ident(row.get("orderNumber"))
        if not number:
            raise OutcomeUnknown(
                f"Draft {ident(row.get('requestNumber'))} at emSign may be this order: nothing tells yet.",
                code="search",
                remedy="Release or reject the draft in the portal; it is looked at again.",
            )
        return same_key(self._standing.detail(number).get("csr"), self._request)


def same_key(text: Any, request: Request) -> bool:
    """Say whether a request, in PEM or as base64 on one line, is for the same public key."""
    bare = "".join(line for line in str(text).splitlines() if "-----" not in line)
    try:
        return parse(base64.b64decode("".join(bare.split()), validate=True)).key.spki_sha256 == request.spki_sha256
    except (Invalid, binascii.Error, ValueError):
        return False
