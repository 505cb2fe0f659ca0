"""What a CA lists of an account: the certificates that it has, whoever ordered them, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chancery.sdk.outcome import PollState

MOST_ENTRIES = 1000
"""Entries of one page: so many fit into one commit, and into memory."""


class ListedState(StrEnum):
    """How a certificate stands at the CA. That it has expired is told by its dates.

    UNKNOWN is for a word of the CA that is not known, and for a CA that does not say: it is never held against ours.
    """

    VALID = "valid"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Listed:
    """One certificate as the CA lists it; what has not been issued yet is none.

    `reference` is in the form of `Issued.reference`, so that it can be revoked, renewed and fetched by it. `serial` is
    hex; it may be '' only where `certificate` (DER) is given. `issuer` is as the CA writes it, a distinguished name or a
    label; `spki_sha256` is of its public key, '' where neither certificate nor request is shown. `text` is the CA's own
    word for its state.
    """

    reference: str
    state: ListedState
    serial: str = ""
    issuer: str = ""
    common_name: str = ""
    names: tuple[str, ...] = ()
    not_after: datetime | None = None
    revoked_at: datetime | None = None
    spki_sha256: str = ""
    certificate: bytes = b""
    chain: tuple[bytes, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class InventoryPage:
    """A part of the list, at most `MOST_ENTRIES` long, and where it goes on: `cursor` is None at the end.

    The cursor is small JSON with the key `v`, opaque to the engine, which keeps it: another worker may go on from it. A
    page may be empty and have a cursor. `total` is how many the CA says there are, of whatever it counts. `next_page` is
    how long to leave the CA in peace: where the CA counts requests, an inventory leaves most of them to orders.
    """

    entries: tuple[Listed, ...]
    cursor: PollState | None
    total: int | None = None
    next_page: timedelta = timedelta(0)
