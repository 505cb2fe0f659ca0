"""The account's certificates, order by order (B3.3): one order holds many, and its row shows only the primary one.

Each order costs a request or two, so a part of the list is a few orders, and most of the rate is left to others.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from chancery.authorities.digicert.bundle import foreign
from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.ordering import reference_of
from chancery.authorities.digicert.read import day, flag, names, number, rows, segment, table, word
from chancery.authorities.digicert.renewal import split_reference
from chancery.authorities.digicert.search import spki_of
from chancery.core.clock import Clock
from chancery.core.inventory import canonical_serial
from chancery.sdk.errors import NotFound, ProtocolViolation, Throttled
from chancery.sdk.inventory import InventoryPage, Listed, ListedState
from chancery.sdk.outcome import Issued, PollState

ORDERS = 25
"""Orders of one part: with two requests each they are read within a lease, however slow the answers are."""
_STATES = {
    "issued": ListedState.VALID,
    "approved": ListedState.VALID,
    "expired": ListedState.VALID,
    "revoked": ListedState.REVOKED,
}
_LEAST = timedelta(seconds=1)


class Listing:
    """Reads the list of one account."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock

    def page(self, cursor: PollState | None) -> InventoryPage:
        """Return the certificates of the next few orders, oldest first, so that new ones come at the end."""
        state = cursor or {}
        offset = int(number(state.get("offset")) or 0)
        try:
            answer = self._client.get("order/certificate", self._params(offset), need="idle")
        except Throttled as error:
            return InventoryPage((), {**state, "v": 1, "offset": offset}, None, self._pause(error))
        orders, total = _orders(answer)
        first = number(orders[0].get("id")) if orders else ""
        if first and offset and first == state.get("first"):
            raise _senseless("gives the same page again and again")
        entries, done, pause = self._read(orders)
        after = offset + done
        # The total was seen too small, and pages smaller than asked for: only together do they mean the end.
        if not orders or (done == len(orders) and after >= total and len(orders) < ORDERS):
            return InventoryPage(tuple(entries), None, total)
        # Orders that were not read for want of requests come first in the next part.
        kept = first if done else state.get("first", "")
        return InventoryPage(tuple(entries), {"v": 1, "offset": after, "first": kept}, total, pause)

    @staticmethod
    def _params(offset: int) -> list[tuple[str, str]]:
        return [("sort", "date_created"), ("limit", str(ORDERS)), ("offset", str(offset))]

    def _pause(self, error: Throttled) -> timedelta:
        """Return how long to wait where our own share is spent; a refusal of the CA goes on to the engine."""
        if error.code != "own_budget" or error.until is None:
            raise error
        return max(error.until - self._clock.now(), _LEAST)

    def _read(self, orders: list[dict[str, Any]]) -> tuple[list[Listed], int, timedelta]:
        """Return the certificates of orders, how many orders were read, and how long to wait before the others."""
        found: list[Listed] = []
        for done, row in enumerate(orders):
            try:
                found += self._certificates(row)
            except Throttled as error:
                return found, done, self._pause(error)
        return found, len(orders), timedelta(0)

    def _certificates(self, row: dict[str, Any]) -> list[Listed]:
        order, primary = number(row.get("id")), number(table(row.get("certificate")).get("id"))
        if not order or not primary:
            return []
        listed = self._of_kind(order, "reissue")
        if flag(row.get("has_duplicates")) is not False:
            listed |= self._of_kind(order, "duplicate")
        if primary not in listed:
            listed |= self._primary(order)
        return [one for ident, certificate in listed.items() if (one := _listed(order, ident, certificate)) is not None]

    def _of_kind(self, order: str, kind: str) -> dict[str, dict[str, Any]]:
        try:
            params = {"show_archived": "true"}
            answer = self._client.get(f"order/certificate/{segment(order)}/{kind}", params, need="idle")
        except NotFound:
            return {}
        return {number(c.get("id")): c for c in rows(answer.get("certificates")) if number(c.get("id"))}

    def _primary(self, order: str) -> dict[str, dict[str, Any]]:
        """Return the certificate that the order itself shows. That the order is issued does not say how it stands."""
        try:
            info = self._client.get(f"order/certificate/{segment(order)}", need="idle")
        except NotFound:
            return {}
        certificate = table(info.get("certificate"))
        revoked = word(info.get("status")).lower() == "revoked"
        told = {"status": "revoked" if revoked else "not told"}
        return {number(certificate.get("id")): {**certificate, **told}} if number(certificate.get("id")) else {}

    def fetch(self, reference: str) -> Issued:
        """Download a certificate by its number."""
        order, ident = split_reference(reference)
        if not ident:
            text = "The certificate's number at DigiCert is not known."
            raise NotFound(text, code="reference", bytes_sent=False, remedy="Download it in CertCentral and import it.")
        raw = self._client.raw(f"certificate/{segment(ident)}/download/format/pem_all")
        issued = foreign(raw, reference_of(order, ident))
        if issued is None:
            raise ProtocolViolation("DigiCert's download holds no certificate.", stage="response", bytes_sent=False)
        return issued


def _orders(answer: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    total = number(table(answer.get("page")).get("total"))
    listed = answer.get("orders")
    # An empty list may be left out; an answer that says nothing at all is none.
    if not isinstance(listed, list | dict) and total != "0":
        raise _senseless("answers without a list")
    return rows(listed), int(total or 0)


def _listed(order: str, ident: str, certificate: dict[str, Any]) -> Listed | None:
    """Return a certificate of an order; None for one that has not been issued."""
    serial = canonical_serial(word(certificate.get("serial_number")))
    if not serial:
        return None
    said = word(certificate.get("status")).lower()
    return Listed(
        reference=reference_of(order, ident),
        state=_STATES.get(said, ListedState.UNKNOWN),
        serial=serial,
        issuer=word(table(certificate.get("ca_cert")).get("name")),
        common_name=word(certificate.get("common_name"), 255).lower(),
        names=tuple(names(certificate.get("dns_names"))),
        not_after=_end(certificate.get("valid_till")),
        spki_sha256=spki_of(certificate.get("csr")),
        text=said,
    )


def _end(value: Any) -> datetime | None:
    last = day(value)
    return datetime.combine(last, time(23, 59, 59), UTC) if last is not None else None


def _senseless(why: str) -> ProtocolViolation:
    text = f"DigiCert's list of orders cannot be read to its end: it {why}."
    return ProtocolViolation(text, code="list", stage="response", bytes_sent=False, remedy="Pull it again later.")
