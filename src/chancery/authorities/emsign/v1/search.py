"""Looks for what a lost answer may have ordered: by report, to its last page; by our tag, else by the request itself.

V1 shows the request of an order, so that what carries no tag is told by its key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.emsign.read import count, ident, rows, table, texts, was_before, word
from chancery.authorities.emsign.v1.session import Session
from chancery.authorities.emsign.v1.standing import Standing
from chancery.authorities.emsign.wire import TAG, tag_of
from chancery.core.csr import parse
from chancery.core.errors import Invalid
from chancery.sdk.authority import Request
from chancery.sdk.errors import OutcomeUnknown

SIZE, MOST_PAGES, MOST_LOOKS = 500, 20, 40
_ZONES = timedelta(days=1)


class Search:
    """One search for one request."""

    def __init__(self, session: Session, standing: Standing, request: Request, since: datetime, now: datetime) -> None:
        self._session, self._standing, self._request = session, standing, request
        self._since, self._now = since, now
        self._names = {"", *(n.value.lower() for n in request.names)}
        self.seen = 0

    def order(self) -> dict[str, Any] | None:
        """Return the row of our order; None where the CA has none."""
        unsure: list[dict[str, Any]] = []
        for row in self._rows():
            judged = self._judge(row)
            if judged:
                return row
            if judged is None:
                unsure.append(row)
        if len(unsure) > MOST_LOOKS:
            raise cannot(f"{len(unsure)} orders carry no tag")
        return next((row for row in unsure if self._is_ours(row)), None)

    def by_request(self, number: str) -> str:
        """Return the order number that a request has got; '' for a draft as long as it is one."""
        row = next((r for r in self._rows() if ident(r.get("requestNumber")) == number), None)
        return ident(row.get("orderNumber")) if row is not None else ""

    def _rows(self) -> Iterator[dict[str, Any]]:
        known: set[tuple[str, str]] = set()
        total = 0
        for page in range(1, MOST_PAGES + 1):
            answer = table(self._session.read("GetOrderReport", self._criteria(page)).get("orderDetails"))
            found = answer.get("ordersArray")
            if not isinstance(found, list):
                raise cannot("it answers without a list")
            fresh = [row for row in rows(found) if _numbers(row) not in known]
            known |= {_numbers(row) for row in fresh}
            self.seen, total = len(known), max(total, count(answer.get("totalNoOfResults")))
            yield from fresh
            if page >= count(answer.get("noOfPages")):
                break
            if not fresh:
                raise cannot("it gives the same page again")
        else:
            raise cannot("it has too many pages")
        if len(known) < total:
            raise cannot(f"it says that there are {total} orders and shows {len(known)}")

    def _criteria(self, page: int) -> dict[str, Any]:
        first, last = self._since - _ZONES, self._now + _ZONES
        return {
            "searchCriteria": {
                "orderDateFrom": f"{first:%Y-%m-%d}",
                "orderDateTill": f"{last:%Y-%m-%d}",
                "pageNumber": str(page),
                "pageSize": str(SIZE),
            }
        }

    def _judge(self, row: dict[str, Any]) -> bool | None:
        """Return whether a row is ours by its tags; None where they do not say and only its request can.

        A tag of ours for another order says no. None at all says nothing: the CA may not have kept it.
        """
        tags = texts(row.get("tags")) or []
        if tag_of(self._request) in tags:
            return True
        if any(t.startswith(TAG) for t in tags) or was_before(row.get("orderDate"), self._request.intended_at):
            return False
        return None if word(row.get("domainName"), 255).lower() in self._names else False

    def _is_ours(self, row: dict[str, Any]) -> bool:
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


def _numbers(row: dict[str, Any]) -> tuple[str, str]:
    return ident(row.get("orderNumber")), ident(row.get("requestNumber"))


def cannot(why: str) -> OutcomeUnknown:
    """Return the error for a report that cannot be read to its end."""
    return OutcomeUnknown(
        f"emSign's report of orders cannot be read to its end: {why}.",
        code="search",
        remedy="Look for the order in the portal and enter its number, or give up the order here.",
    )
