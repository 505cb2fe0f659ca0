"""Looks for what a lost answer may have ordered: by report, to its last page; by our tag, else by name, time and key.

An absence is claimed only after everything was looked at; where that cannot be done, the search says so instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.emsign.attempt import attempt
from chancery.authorities.emsign.bundle import leaf_of
from chancery.authorities.emsign.progress import split_reference
from chancery.authorities.emsign.read import count, ident, rows, texts, was_before, word
from chancery.authorities.emsign.v2.session import Session
from chancery.authorities.emsign.v2.standing import Standing
from chancery.authorities.emsign.wire import TAG, tag_of
from chancery.core.certificate import facts, spki_of
from chancery.sdk.authority import Request
from chancery.sdk.errors import OutcomeUnknown

SIZE, MOST_PAGES, MOST_LOOKS = 100, 50, 40
_ZONES = timedelta(days=1)
"""Days of filters may be of another zone, and certificates begin some hours before they are made."""


class Search:
    """One search for one request."""

    def __init__(self, session: Session, standing: Standing, request: Request, since: datetime, now: datetime) -> None:
        self._session, self._standing, self._request = session, standing, request
        self._since, self._now = since, now
        settings: Any = request.settings
        self._variant = settings.variant
        self._names = {"", *(n.value.lower() for n in request.names)}
        self._base = split_reference(request.previous)[0].partition("R")[0]
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
        return next((row for row in unsure if self._has_key(row)), None)

    def by_request(self, number: str) -> str:
        """Return the order number that a request has got; '' for a draft as long as it is one."""
        row = next((r for r in self._rows() if ident(r.get("requestNumber")) == number), None)
        return ident(row.get("orderNumber")) if row is not None else ""

    def _rows(self) -> Iterator[dict[str, Any]]:
        known: set[tuple[str, str]] = set()
        total = 0
        for page in range(1, MOST_PAGES + 1):
            answer = self._session.get("reports/orders", self._params(page))
            found = answer.get("content")
            if not isinstance(found, list):
                raise _cannot("it answers without a list")
            fresh = [row for row in rows(found) if _numbers(row) not in known]
            known |= {_numbers(row) for row in fresh}
            self.seen, total = len(known), max(total, count(answer.get("totalElements")))
            yield from fresh
            # A page past the end is the last page once more, so emptiness never comes: the number of pages decides.
            if page >= count(answer.get("totalPages")):
                break
            if not fresh:
                raise _cannot("it gives the same page again")
        else:
            raise _cannot("it has too many pages")
        if len(known) < total:
            raise _cannot(f"it says that there are {total} orders and shows {len(known)}")

    def _params(self, page: int) -> dict[str, str]:
        first, last = self._since - _ZONES, self._now + _ZONES
        return {"page": str(page), "size": str(SIZE), "from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}"}

    def _judge(self, row: dict[str, Any]) -> bool | None:
        """Return whether a row is ours by its tags; None where they do not say and only its key can.

        A tag of ours for another order says no. None at all says nothing: the CA may not have kept it.
        """
        tags = texts(row.get("tags")) or []
        if tag_of(self._request) in tags:
            return True
        if self._is_reissue(row):
            return None
        if any(t.startswith(TAG) for t in tags) or was_before(row.get("orderDate"), self._request.intended_at):
            return False
        return None if word(row.get("domainName"), 255).lower() in self._names else False

    def _is_reissue(self, row: dict[str, Any]) -> bool:
        """Say whether a row may be a reissue of the order that is renewed: it has that number, with or without an end."""
        number = ident(row.get("orderNumber"))
        return bool(self._base) and number.partition("R")[0] == self._base

    def _has_key(self, row: dict[str, Any]) -> bool:
        """Say whether an order's certificate is for our key; raises where it has none yet and so may be ours."""
        number = ident(row.get("orderNumber"))
        ders = attempt(lambda: self._standing.download(number, self._variant)) if number else None
        leaf = leaf_of(ders) if ders else None
        if leaf is not None:
            return spki_of(leaf) == self._request.spki_sha256 and self._is_new(leaf)
        if any(w in word(row.get("orderStatus")).lower() for w in ("cancel", "reject")):
            return False
        if "revoked" in word(row.get("certificateStatus")).lower():
            return False
        raise OutcomeUnknown(
            f"Order {number or ident(row.get('requestNumber'))} at emSign may be this one: neither a tag nor a certificate tells yet.",
            code="search",
            remedy="It is looked at again. If you know that it is this one, enter its number; if not, give up the order here.",
        )

    def _is_new(self, leaf: bytes) -> bool:
        """Say whether a certificate is not the one that is renewed, which may have the same key."""
        return facts(leaf).not_before >= self._request.intended_at - _ZONES


def _numbers(row: dict[str, Any]) -> tuple[str, str]:
    return ident(row.get("orderNumber")), ident(row.get("requestNumber"))


def _cannot(why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"emSign's report of orders cannot be read to its end: {why}.",
        code="search",
        remedy="Look for the order in the portal and enter its number, or give up the order here.",
    )
