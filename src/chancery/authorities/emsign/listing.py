"""The account's certificates by its reports of orders (2.2, 2.3): what a row says, and how a report is walked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.emsign.bundle import leaf_of
from chancery.authorities.emsign.progress import join_reference
from chancery.authorities.emsign.read import count, ident, moment, rows, word
from chancery.core.inventory import canonical_serial
from chancery.sdk.errors import NotFound, ProtocolViolation
from chancery.sdk.inventory import InventoryPage, Listed, ListedState
from chancery.sdk.outcome import Issued, PollState

FIRST_DAY = "2000-01-01"
"""Before emSign had its first customer: a report without days was never seen, so all of them are asked for."""
_ZONES = timedelta(days=1)


@dataclass(frozen=True)
class Part:
    """A page of a report as either interface gives it: its rows (None where there is no list), pages and rows in all."""

    rows: Any
    pages: int
    total: int


def part(
    cursor: PollState | None,
    now: datetime,
    read: Callable[[int, str, str], Part],
    state_of: Callable[[dict[str, Any]], ListedState],
) -> InventoryPage:
    """Return the certificates of the next page of the report, which `read` asks for by number, first and last day.

    The newest orders come first: what is ordered meanwhile moves others to later pages, so that some come twice and
    none is passed over. The last day stays that of the beginning.
    """
    state = cursor or {}
    page = max(count(state.get("page")), 1)
    until = word(state.get("until"), 10) or f"{now + _ZONES:%Y-%m-%d}"
    found = read(page, FIRST_DAY, until)
    if not isinstance(found.rows, list):
        raise _cannot("it answers without a list")
    listed = rows(found.rows)
    seen = count(state.get("seen")) + len(listed)
    entries = tuple(one for row in listed if (one := _entry(row, state_of(row))) is not None)
    # A page past the end is the last page once more, so emptiness never comes: the number of pages decides.
    if page < found.pages:
        return InventoryPage(entries, {"v": 1, "page": page + 1, "until": until, "seen": seen}, found.total)
    if seen < found.total:
        raise _cannot(f"it says that there are {found.total} orders and shows {seen}")
    return InventoryPage(entries, None, found.total)


def _entry(row: dict[str, Any], state: ListedState) -> Listed | None:
    """Return the certificate of an order; None where it has none, or the order has no number yet."""
    serial, order = serial_of(row.get("certificateSerialNumber")), ident(row.get("orderNumber"))
    if not serial or not order:
        return None
    name = word(row.get("domainName"), 255).lower()
    return Listed(
        reference=join_reference(order, ident(row.get("requestNumber"))),
        state=state,
        serial=serial,
        issuer=word(row.get("issuerCA"), 300),
        common_name=name,
        not_after=moment(row.get("certificateExpiryDate")),
        text=word(row.get("certificateStatus")),
    )


def serial_of(value: Any) -> str:
    """Return a serial number in hex. The wire has it decimal, though it is documented as hex; so digits are decimal."""
    text = word(value)
    if text.isascii() and text.isdigit():
        return canonical_serial(f"{int(text):x}")
    return canonical_serial(text)


def certificate_of(ders: list[bytes], reference: str) -> Issued:
    """Return what a download holds as the certificate of an entry; raises where it holds none."""
    leaf = leaf_of(ders)
    if leaf is None:
        text = "emSign's download holds no certificate."
        raise ProtocolViolation(text, code="download", stage="response", bytes_sent=False)
    return Issued(leaf, tuple(der for der in ders if der != leaf), reference)


def unknown() -> NotFound:
    """Return the error for a reference that names no order."""
    return NotFound("That is no order number.", code="reference", bytes_sent=False, remedy="Look in the portal.")


def _cannot(why: str) -> ProtocolViolation:
    text = f"emSign's report of orders cannot be read to its end: {why}."
    return ProtocolViolation(text, code="report", stage="response", bytes_sent=False, remedy="Pull it again later.")
