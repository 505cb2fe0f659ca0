"""Everything that the CA has issued, row by row of its database: certificates come with their bytes (MS-CSRA, views)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chancery.protocols.bundle import climb
from chancery.protocols.msrpc.managing import Kept
from chancery.protocols.msrpc.rows import Disposition
from chancery.protocols.waiting import LARGEST, number_of
from chancery.sdk.errors import NotFound, ProtocolViolation
from chancery.sdk.inventory import InventoryPage, Listed, ListedState
from chancery.sdk.outcome import Issued, PollState

ROWS = 200
"""Rows of one part: a handful of calls, which even a slow CA answers within a lease."""
_STATES: dict[int, ListedState] = {
    Disposition.ISSUED: ListedState.VALID,
    Disposition.REVOKED: ListedState.REVOKED,
}
_NO_CERTIFICATE = frozenset[int](Disposition) - frozenset(_STATES)
"""Requests that wait or came to nothing, the CA's own certificates, and those of other CAs that somebody put in."""
_HELD = 6

Issuers = Callable[[], Sequence[bytes]]


def page(cursor: PollState | None, rows: Callable[[int, int], list[Kept]], issuers: Issuers) -> InventoryPage:
    """Return the certificates among the rows behind the cursor.

    Numbers only grow, so what is requested meanwhile comes at the end. Nothing but a part without rows is the end: how
    many rows a CA gives at once is its own affair.
    """
    after = _after(cursor)
    found = rows(after, ROWS)
    if not found:
        return InventoryPage((), None)
    last = max(row.number for row in found)
    if last <= after:
        text = "The CA gives the same rows again and again."
        raise ProtocolViolation(text, code="list", stage="response", bytes_sent=False, remedy="Pull it again later.")
    mine = [row for row in found if row.disposition not in _NO_CERTIFICATE]
    above = tuple(issuers()) if any(row.certificate for row in mine) else ()
    return InventoryPage(tuple(_listed(row, above) for row in mine), {"v": 1, "after": last})


def _after(cursor: PollState | None) -> int:
    after = (cursor or {"after": 0}).get("after")
    if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= LARGEST:
        text = "The place where the list goes on is none of this CA's."
        raise ProtocolViolation(text, code="cursor", stage="request", bytes_sent=False, remedy="Pull it again.")
    return after


def _listed(row: Kept, above: Sequence[bytes]) -> Listed:
    if not row.certificate and not row.serial:
        text = f"The CA shows neither certificate nor serial number of request {row.number}, which it has issued."
        remedy = "Give the managing account the right Read on the CA, and look at the row in the CA's console."
        raise ProtocolViolation(text, code="row", stage="response", bytes_sent=False, remedy=remedy)
    return Listed(
        reference=str(row.number),
        state=_STATES.get(row.disposition, ListedState.UNKNOWN),
        serial=row.serial,
        common_name=row.common_name,
        not_after=row.not_after,
        revoked_at=row.revoked,
        certificate=row.certificate,
        chain=climb(row.certificate, above)[0] if row.certificate else (),
        text=_word(row),
    )


def _word(row: Kept) -> str:
    if row.disposition != Disposition.REVOKED:
        return f"disposition {row.disposition}"
    held = ", on hold" if row.reason == _HELD else ""
    return f"disposition {row.disposition}, reason {row.reason or 0}{held}"


def certificate_of(reference: str, row: Callable[[int], Kept | None], issuers: Issuers) -> Issued:
    """Return the certificate of a row; raises `NotFound`."""
    number = number_of(reference)
    found = row(number) if number is not None else None
    if found is None or not found.certificate:
        text = "The CA has no certificate under this request number."
        remedy = "Look in the CA's console, export it there and import it."
        raise NotFound(text, code="reference", stage="response", bytes_sent=False, remedy=remedy)
    return Issued(found.certificate, climb(found.certificate, issuers())[0], str(found.number))
