"""The database of a Windows CA, with its templates and its manager: what every way into such a CA shows a face of.

Rows, states and codes are those of MS-WCCE, MS-CSRA and MS-CRTD. Times are by the clock that is handed over.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chancery.core.clock import Clock
from chancery.sandbox.der import read_one
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa, other_key
from chancery.sandbox.ledger import Ledger

NOT_PUBLISHED, NO_TEMPLATE, CONFLICT = 0x80094800, 0x80094801, 0x80094802
ARCHIVAL, SIGNATURES, KEY_LENGTH = 0x80094804, 0x80094809, 0x80094811
TEMPLATE_DENIED, ENROLL_DENIED, MANAGER_DENIED = 0x80094012, 0x80094011, 0x80094014
UNKNOWN, WRONG_STATE, BAD_DATA, BAD_ARGUMENT, BAD_ASN1 = 0x80094004, 0x80094003, 0x8007000D, 0x80070057, 0x8009310B
HELD, RELEASE = 6, 0xFFFFFFFF
_REASONS = frozenset({0, 1, 2, 3, 4, 5, 6, 8})
_KNOWN = frozenset(
    {"certificatetemplate", "san", "validityperiod", "validityperiodunits", "expirationdate", "certificateusage"}
    | {"cdc", "rmd", "ccm"}
)
"""Request attributes that a CA acts on; what it does not know it keeps with the row."""
_NAME_EXTENSION, _BMP = "1.3.6.1.4.1.311.20.2", 0x1E


class State(IntEnum):
    """Request.Disposition, as the database of a real CA holds it."""

    PENDING = 9
    ISSUED = 20
    REVOKED = 21
    FAILED = 30
    DENIED = 31


class Refused(Exception):
    """The CA says no. `number` is the row that was made all the same, 0 for none; `denied` is its own word on it."""

    def __init__(self, code: int, text: str, number: int = 0, *, denied: bool = True) -> None:
        super().__init__(text)
        self.code, self.text, self.number, self.denied = code, text, number, denied


@dataclass(frozen=True)
class Template:
    """A certificate template (MS-CRTD). `oid` is '' for version 1. `accounts` that may enrol; '*' is everybody."""

    name: str
    oid: str
    days: int = 90
    published: bool = True
    accounts: frozenset[str] = frozenset({"*"})
    supplies: bool = True
    pends: bool = False
    minimal_key: int = 2048
    signatures: int = 0
    archives: bool = False
    usages: tuple[str, ...] = ("1.3.6.1.5.5.7.3.1",)

    def lets(self, account: str) -> bool:
        """Say whether an account may enrol."""
        return bool({"*", account} & self.accounts)


_OID = "1.3.6.1.4.1.311.21.8.1174692.16553431.7109785.10462799.12101391.197"
TEMPLATES = (
    Template("WebServer30", f"{_OID}.1", 30),
    Template("WebServer", "", 730),
    Template("ApprovedServer", f"{_OID}.2", 90, pends=True),
    Template("DirectoryNames", f"{_OID}.3", supplies=False),
    Template("ForAdmins", f"{_OID}.4", accounts=frozenset({"EXAMPLE\\ca-admin"})),
    Template("Agent", f"{_OID}.5", signatures=1),
    Template("Archived", f"{_OID}.6", archives=True),
    Template("LargeKeys", f"{_OID}.7", minimal_key=4096),
    Template("Anybody", f"{_OID}.8", usages=("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2")),
    Template("Retired", f"{_OID}.9", published=False),
)

_PLAIN = Template("", "", 30)
"""What a CA without templates issues."""


@dataclass
class Row:
    """One request: `due` is when it is issued by itself, None waits for a manager. `reason` is that of a revocation."""

    number: int
    csr: bytes
    template: Template | None
    requester: str
    attributes: str
    submitted: datetime
    state: State = State.PENDING
    code: int = 0
    message: str = "Taken Under Submission"
    due: datetime | None = None
    resolved: datetime | None = None
    certificate: x509.Certificate | None = None
    revoked: datetime | None = None
    reason: int = 0

    @property
    def der(self) -> bytes:
        """Return the certificate as DER; b'' while there is none."""
        return self.certificate.public_bytes(Encoding.DER) if self.certificate else b""

    @property
    def serial(self) -> str:
        """Return the serial number as the database has it: lower-case hex of the INTEGER's bytes."""
        if self.certificate is None:
            return ""
        number = self.certificate.serial_number
        return number.to_bytes(number.bit_length() // 8 + 1, "big").hex().removeprefix("00")


class Database:
    """The rows of one CA. Every method may be called by several faces at once."""

    def __init__(
        self,
        ca: EnrolmentCa,
        ledger: Ledger,
        dials: Dials,
        clock: Clock,
        templates: tuple[Template, ...] = TEMPLATES,
    ) -> None:
        self.ca, self.templates = ca, templates
        self._ledger, self._dials, self._clock = ledger, dials, clock
        self._rows: dict[int, Row] = {}
        self._last = 88
        self._lock = threading.RLock()

    # Asking -------------------------------------------------------------------------------------------

    def take(self, csr: bytes, name: str, requester: str, attributes: str = "") -> Row:
        """Make a row for a request; raises `Refused`, with the row's number where one was made."""
        with self._lock:
            request = read(csr)
            template = self._template(request, name)
            row = self._keep(csr, template, requester, attributes)
            code = self._objection(request, template, requester)
            if code:
                row.state, row.code, row.resolved = State.DENIED, code, row.submitted
                row.message = f"Denied by Policy Module  0x{code:08x}, The request does not fit the template."
                self._note("denied", row)
                raise Refused(code, row.message, row.number)
            self._note("order", row)
            row.due = self._due(template, row.submitted)
            self._settle(row)
            return row

    def _keep(self, csr: bytes, template: Template | None, requester: str, attributes: str) -> Row:
        self._last += 1
        row = self._rows[self._last] = Row(self._last, csr, template, requester, attributes, self._clock.now())
        return row

    def _template(self, request: x509.CertificateSigningRequest, name: str) -> Template | None:
        inside = template_in(request)
        found = {self._known(one) for one in (name, inside) if one}
        if not found:
            raise Refused(NO_TEMPLATE, "The request contains no certificate template information.")
        if len(found) > 1:
            raise Refused(CONFLICT, "The request contains conflicting template information.")
        return found.pop()

    def _known(self, name: str) -> Template | None:
        folded = name.casefold()
        return next((t for t in self.templates if folded in {t.name.casefold(), t.oid}), None)

    def _objection(self, request: x509.CertificateSigningRequest, template: Template | None, requester: str) -> int:
        """Say no in the order of a real CA: what is not published before what is not allowed, before what does not fit."""
        key = request.public_key()
        short = isinstance(key, rsa.RSAPublicKey) and template is not None and key.key_size < template.minimal_key
        if template is None or not template.published:
            return NOT_PUBLISHED
        reasons = (
            (not template.lets(requester), TEMPLATE_DENIED),
            (short, KEY_LENGTH),
            (template.archives, ARCHIVAL),
            (template.signatures > 0, SIGNATURES),
            (self._dials.now.reject, MANAGER_DENIED),
        )
        return next((code for applies, code in reasons if applies), 0)

    def _due(self, template: Template | None, now: datetime) -> datetime | None:
        dials = self._dials.now
        if dials.needs_approval or (template is not None and template.pends):
            return None
        return now + timedelta(seconds=dials.issue_delay)

    def _settle(self, row: Row) -> None:
        if row.state is State.PENDING and row.due is not None and row.due <= self._clock.now():
            self._issue(row)

    def _issue(self, row: Row) -> None:
        now = self._clock.now()
        row.certificate = self._signed(row, now)
        row.state, row.message, row.resolved, row.code = State.ISSUED, "Issued", now, 0
        self._note("certificate", row)

    def _signed(self, row: Row, now: datetime) -> x509.Certificate:
        dials, template = self._dials.now, row.template or _PLAIN
        return self.ca.issue(
            x509.load_der_x509_csr(row.csr),
            now,
            now + timedelta(days=template.days),
            usages=template.usages,
            key=other_key() if dials.wrong_key else None,
            name="somebody-else.example.net" if dials.wrong_name else "",
        )

    # Looking ------------------------------------------------------------------------------------------

    def row(self, number: int) -> Row:
        """Return a row as it stands; raises `Refused` for an unknown number."""
        with self._lock:
            found = self._rows.get(number)
            if found is None:
                raise Refused(UNKNOWN, "The requested property value is empty.", denied=False)
            self._settle(found)
            return found

    def by_serial(self, serial: str) -> Row | None:
        """Return the row with this serial number, letter by letter: the database compares case and leading zeros too."""
        with self._lock:
            return next((row for row in self._rows.values() if row.certificate and row.serial == serial), None)

    def rows(self) -> list[Row]:
        """Return every row, by number."""
        with self._lock:
            for row in self._rows.values():
                self._settle(row)
            return list(self._rows.values())

    # Managing (MS-CSRA section 3.1.4.1) ---------------------------------------------------------------

    def deny(self, number: int) -> None:
        """Deny a pending request; raises `Refused` for one that is not."""
        with self._lock:
            row = self.row(number)
            if row.state is not State.PENDING:
                raise Refused(WRONG_STATE, "The request's current status does not allow this operation.")
            row.state, row.code, row.resolved = State.DENIED, MANAGER_DENIED, self._clock.now()
            row.message = "Denied by EXAMPLE\\ca-manager"
            self._note("cancel", row)

    def resubmit(self, number: int) -> Row:
        """Issue a pending request; raises `Refused` for one that is not."""
        with self._lock:
            row = self.row(number)
            if row.state is not State.PENDING:
                raise Refused(WRONG_STATE, "The request's current status does not allow this operation.")
            row.due = self._clock.now()
            self._settle(row)
            return row

    def revoke(self, serial: str, reason: int, when: datetime) -> Row:
        """Revoke, or release a hold; a new reason for what was revoked overwrites the old one. Raises `Refused`."""
        with self._lock:
            row = self.by_serial(serial)
            if row is None or reason not in _REASONS | {RELEASE}:
                raise Refused(BAD_ARGUMENT, "The parameter is incorrect.")
            on_hold = row.state is State.REVOKED and row.reason == HELD
            if (reason == HELD and row.state is State.REVOKED) or (reason == RELEASE and not on_hold):
                raise Refused(BAD_DATA, "The data is invalid.")
            if reason == RELEASE:
                row.state, row.revoked, row.reason = State.ISSUED, None, 0
            else:
                row.state, row.revoked, row.reason = State.REVOKED, when, reason
            self._note("revoke", row, detail=str(reason))
            return row

    def _note(self, kind: str, row: Row, detail: str = "") -> None:
        # What the CA has from before was not asked for here.
        source = x509.load_der_x509_csr(row.csr) if row.csr else row.certificate
        key = source.public_key() if source else None
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if key else b""
        about = detail or (row.template.name if row.template else "")
        self._ledger.add(
            self._clock.now(),
            kind,
            order=str(row.number),
            reference=_correlation(row.attributes),
            spki_sha256=sha256(spki).hexdigest(),
            csr_sha256=sha256(row.csr).hexdigest() if row.csr else "",
            detail=about,
        )


def _correlation(attributes: str) -> str:
    """Return the client's own reference, where it sent one among the attributes of the request."""
    lines = (line.partition(":") for line in attributes.replace("\r", "").split("\n"))
    return next((value.strip() for name, _, value in lines if name.strip().lower() not in _KNOWN and value), "")


def read(csr: bytes) -> x509.CertificateSigningRequest:
    """Return a certificate request (DER) whose signature is good; raises `Refused`."""
    try:
        request = x509.load_der_x509_csr(csr)
        valid = request.is_signature_valid and list(request.extensions) is not None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        valid = False
    if not valid:
        raise Refused(BAD_ASN1, "Error Parsing Request  ASN1 bad tag value met.")
    return request


def template_in(request: x509.CertificateSigningRequest) -> str:
    """Return the template that a request names: by name (version 1, a BMPString or UTF8String), or by OID."""
    for extension in request.extensions:
        value = extension.value
        if isinstance(value, x509.MSCertificateTemplate):
            return value.template_id.dotted_string
        if extension.oid.dotted_string == _NAME_EXTENSION and isinstance(value, x509.UnrecognizedExtension):
            part = read_one(value.value)
            return part.inside.decode("utf-16-be" if part.tag == _BMP else "utf-8", "replace")
    return ""
