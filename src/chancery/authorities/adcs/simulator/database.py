"""The CA's database: a row for each request, with the dispositions of a real one (reference, section A3.3)."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chancery.sandbox.ledger import Ledger

KNOWN_ATTRIBUTES = frozenset(
    {"certificatetemplate", "san", "validityperiod", "validityperiodunits", "expirationdate", "certificateusage", "cdc"}
    | {"rmd", "ccm"}
)
"""Names of request attributes that a CA acts on; others it stores with the row (MS-WCCE section 2.2.2.7)."""


class State(IntEnum):
    """Disposition of a row."""

    PENDING = 9
    ISSUED = 20
    REVOKED = 21
    FAILED = 30
    DENIED = 31


@dataclass
class Row:
    """One request. `due` is when an order that is held back is issued; `code` and `message` say why one was refused."""

    number: int
    csr: x509.CertificateSigningRequest | None
    attributes: list[tuple[str, str]]
    caller: str
    submitted: datetime
    template: str = ""
    state: State = State.PENDING
    code: int = 0
    message: str = ""
    due: datetime | None = None
    certificate: x509.Certificate | None = None

    @property
    def reference(self) -> str:
        """Return the value of the first attribute that the CA does not know."""
        return next((value for name, value in self.attributes if name.lower() not in KNOWN_ATTRIBUTES), "")


@dataclass
class Database:
    """Rows by id, which are sequential; every new one is a line in the ledger."""

    ledger: Ledger
    rows: dict[int, Row] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add(
        self,
        csr: x509.CertificateSigningRequest | None,
        attributes: list[tuple[str, str]],
        caller: str,
        now: datetime,
        template: str,
    ) -> Row:
        """Make a row."""
        with self.lock:
            row = Row(max(self.rows, default=1) + 1, csr, attributes, caller, now, template)
            self.rows[row.number] = row
        return row

    def book(self, row: Row, csr: x509.CertificateSigningRequest, now: datetime) -> None:
        """Write a request that was taken into the ledger; what was refused is no order."""
        der = csr.public_bytes(Encoding.DER)
        spki = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.ledger.add(
            now,
            "order",
            order=str(row.number),
            reference=row.reference,
            spki_sha256=hashlib.sha256(spki).hexdigest(),
            csr_sha256=hashlib.sha256(der).hexdigest(),
            detail=" ".join(name for name, _ in row.attributes),
        )

    def waiting(self) -> list[Row]:
        """Return the rows that wait."""
        with self.lock:
            return [row for row in self.rows.values() if row.state is State.PENDING]

    def as_dict(self) -> dict[str, object]:
        """Return what the CA's console would list."""
        with self.lock:
            return {
                str(row.number): {
                    "state": row.state.name.lower(),
                    "template": row.template,
                    "caller": row.caller,
                    "attributes": [f"{name}:{value}" for name, value in row.attributes],
                    "code": f"0x{row.code:08x}" if row.code else "",
                }
                for row in self.rows.values()
            }


def later(now: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds from now."""
    return now + timedelta(seconds=seconds)
