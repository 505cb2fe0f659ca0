"""Looks for what a lost answer may have ordered: by report, to its last page; by our tag, else by name, time and key.

An absence is claimed only after everything was looked at; where that cannot be done, the search says so instead. V1 and V2
differ in how a page is asked for, and in what tells an order that carries no tag: each has a `Report` of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from chancery.authorities.emsign.read import ident, rows, texts, was_before, word
from chancery.authorities.emsign.wire import TAG, tag_of
from chancery.sdk.authority import Request
from chancery.sdk.errors import OutcomeUnknown

MOST_LOOKS = 40
ZONES = timedelta(days=1)
"""Days of filters may be of another zone, and certificates begin some hours before they are made."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a report: its rows as they came, how many orders and pages the CA says there are."""

    rows: Any
    orders: int
    pages: int


class Report(Protocol):
    """What V1 and V2 have each in their own way. `most_pages` are read at most."""

    most_pages: int

    def page(self, number: int, first: str, last: str) -> Page:
        """Ask for a page of the orders between two days (YYYY-MM-DD)."""

    def may_be(self, row: dict[str, Any]) -> bool:
        """Say whether an order without our tag may be ours whatever its day and name are."""

    def is_ours(self, row: dict[str, Any]) -> bool:
        """Say whether an order without a tag is for our key; raises `OutcomeUnknown` where that does not show yet."""


class Search:
    """One search for one request; `seen` is how many orders the report has shown."""

    def __init__(self, report: Report, request: Request, since: datetime, now: datetime) -> None:
        self._report, self._request = report, request
        self._days = f"{since - ZONES:%Y-%m-%d}", f"{now + ZONES:%Y-%m-%d}"
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
            raise _cannot(f"{len(unsure)} orders carry no tag")
        return next((row for row in unsure if self._report.is_ours(row)), None)

    def by_request(self, number: str) -> str:
        """Return the order number that a request has got; '' for a draft as long as it is one."""
        row = next((r for r in self._rows() if ident(r.get("requestNumber")) == number), None)
        return ident(row.get("orderNumber")) if row is not None else ""

    def _rows(self) -> Iterator[dict[str, Any]]:
        known: set[tuple[str, str]] = set()
        total = 0
        for number in range(1, self._report.most_pages + 1):
            page = self._report.page(number, *self._days)
            if not isinstance(page.rows, list):
                raise _cannot("it answers without a list")
            fresh = [row for row in rows(page.rows) if _numbers(row) not in known]
            known |= {_numbers(row) for row in fresh}
            self.seen, total = len(known), max(total, page.orders)
            yield from fresh
            # A page past the end is the last page once more, so emptiness never comes: the number of pages decides.
            if number >= page.pages:
                break
            if not fresh:
                raise _cannot("it gives the same page again")
        else:
            raise _cannot("it has too many pages")
        if len(known) < total:
            raise _cannot(f"it says that there are {total} orders and shows {len(known)}")

    def _judge(self, row: dict[str, Any]) -> bool | None:
        """Return whether a row is ours by its tags; None where they do not say and only a closer look can.

        A tag of ours for another order says no. None at all says nothing: the CA may not have kept it.
        """
        tags = texts(row.get("tags")) or []
        if tag_of(self._request) in tags:
            return True
        if self._report.may_be(row):
            return None
        if any(t.startswith(TAG) for t in tags) or was_before(row.get("orderDate"), self._request.intended_at):
            return False
        return None if word(row.get("domainName"), 255).lower() in self._names else False


def _numbers(row: dict[str, Any]) -> tuple[str, str]:
    return ident(row.get("orderNumber")), ident(row.get("requestNumber"))


def _cannot(why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"emSign's report of orders cannot be read to its end: {why}.",
        code="search",
        remedy="Look for the order in the portal and enter its number, or give up the order here.",
    )
