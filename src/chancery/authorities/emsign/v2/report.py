"""V2's report of orders. It shows no request, so an order that carries no tag is told by its certificate's key."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.attempt import attempt
from chancery.authorities.emsign.bundle import leaf_of
from chancery.authorities.emsign.progress import split_reference
from chancery.authorities.emsign.read import count, ident, word
from chancery.authorities.emsign.search import ZONES, Page
from chancery.authorities.emsign.v2.session import Session
from chancery.authorities.emsign.v2.standing import Standing
from chancery.core.certificate import facts, spki_of
from chancery.sdk.authority import Request
from chancery.sdk.errors import OutcomeUnknown

SIZE = 100


class OrderReport:
    """The report, as one request is searched for in it."""

    most_pages = 50

    def __init__(self, session: Session, standing: Standing, request: Request) -> None:
        self._session, self._standing, self._request = session, standing, request
        settings: Any = request.settings
        self._variant = settings.variant
        self._base = split_reference(request.previous)[0].partition("R")[0]

    def page(self, number: int, first: str, last: str) -> Page:
        """Ask for a page of the orders between two days."""
        asked = {"page": str(number), "size": str(SIZE), "from": first, "to": last}
        answer = self._session.get("reports/orders", asked)
        return Page(answer.get("content"), count(answer.get("totalElements")), count(answer.get("totalPages")))

    def may_be(self, row: dict[str, Any]) -> bool:
        """Say whether a row may be a reissue of the order that is renewed: it has that number, with or without an end."""
        number = ident(row.get("orderNumber"))
        return bool(self._base) and number.partition("R")[0] == self._base

    def is_ours(self, row: dict[str, Any]) -> bool:
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
        return facts(leaf).not_before >= self._request.intended_at - ZONES
