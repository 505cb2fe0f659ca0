"""The database of this CA: that of every Windows CA, with a policy module, renewals, and what Web Enrollment asks of it."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from chancery.authorities.adcs.simulator import numbers
from chancery.authorities.adcs.simulator.issuing import Issuer, old_certificate
from chancery.authorities.adcs.simulator.templates import TEMPLATES, judge
from chancery.authorities.adcs.simulator.words import LANGUAGES
from chancery.sandbox import certsrv
from chancery.sandbox.certsrv import MANAGER_DENIED, Refused, Row, State, Template
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.ledger import Ledger

_FIRST = 1


class Database(certsrv.Database):
    """Rows by id, which are sequential. A `standalone` CA knows no templates, and its manager approves all requests."""

    def __init__(
        self,
        issuer: Issuer,
        ledger: Ledger,
        dials: Dials,
        clock: ShiftedClock,
        templates: tuple[Template, ...] = TEMPLATES,
        *,
        standalone: bool = False,
    ) -> None:
        super().__init__(issuer.renewals[0], ledger, dials, clock, templates)
        self.issuer, self._standalone, self._last = issuer, standalone, _FIRST

    def seed(self, when: datetime, requester: str) -> None:
        """Keep a row that the CA has from before: its request is gone, its certificate is not."""
        row = self._keep(b"", self.templates[0], requester, "")
        row.submitted = row.resolved = when
        row.certificate, row.state, row.message = (
            old_certificate(self.issuer, self.templates[0], when),
            State.ISSUED,
            "",
        )

    def enrol(self, csr: bytes, name: str, requester: str, attributes: str) -> Row:
        """Make a row of whatever came and decide about it, at once or later: Web Enrollment gives each its number."""
        with self._lock:
            request, template = _read(csr), self._by_name(name)
            row = self._keep(csr if request else b"", template, requester, attributes)
            code = self._refusal(request, name, template, requester)
            if code or request is None:
                self._refuse(row, code, name)
                return row
            self._note("order", row, detail=" ".join(line.partition(":")[0] for line in attributes.splitlines()))
            row.due = self._due(template, row.submitted)
            self._settle(row)
            return row

    def renew(self) -> int:
        """Make the CA's certificate anew; returns the index of the newest."""
        with self._lock:
            self.issuer.renew(self._clock.now())
            self.ca = self.issuer.renewals[-1]
            return len(self.issuer.renewals) - 1

    def revoked(self) -> list[tuple[x509.Certificate, datetime]]:
        """Return what stands on the CRL, with the moment of its revocation."""
        return [(r.certificate, r.revoked) for r in self.rows() if r.certificate and r.revoked]

    def as_dict(self) -> dict[str, object]:
        """Return what the CA's console would list."""
        return {
            str(row.number): {
                "state": row.state.name.lower(),
                "template": row.template.name if row.template else "",
                "caller": row.requester,
                "attributes": row.attributes.splitlines(),
                "code": f"0x{row.code:08x}" if row.code else "",
            }
            for row in self.rows()
        }

    def _by_name(self, name: str) -> Template | None:
        """Return the template of this name (cn) or OID; a display name is none."""
        return None if self._standalone or not name else self._known(name)

    def _refusal(
        self, request: x509.CertificateSigningRequest | None, name: str, template: Template | None, requester: str
    ) -> int:
        dials = self._dials.now
        if request is None:
            return numbers.BAD_TAG
        if dials.fails_with:
            return int(dials.fails_with, 16)
        if dials.reject:
            return numbers.UNSUPPORTED_TYPE
        if self._standalone:
            return 0
        return judge(template, request, requester) if name else numbers.NO_TYPE

    def _refuse(self, row: Row, code: int, name: str) -> None:
        words = LANGUAGES[self._dials.now.language]
        row.code, row.state = code, State.FAILED if self._dials.now.fails_with else State.DENIED
        start = words["unparsed"] if code == numbers.BAD_TAG else words["by_policy"]
        row.message, row.resolved = f"{start}  0x{code:08x}, {numbers.sentence(code, name)}", row.submitted

    def _objection(self, request: x509.CertificateSigningRequest, template: Template | None, requester: str) -> int:
        """Ask the same policy module, whichever way a request came."""
        return judge(template, request, requester) or (MANAGER_DENIED if self._dials.now.reject else 0)

    def _due(self, template: Template | None, now: datetime) -> datetime | None:
        return None if self._standalone else super()._due(template, now)

    def _signed(self, row: Row, now: datetime) -> x509.Certificate:
        dials = self._dials.now
        pairs = (line.partition(":") for line in row.attributes.splitlines())
        extra = next((value.strip() for name, _, value in pairs if name.strip().lower() == "san"), "")
        return self.issuer.issue(
            x509.load_der_x509_csr(row.csr),
            row.template or TEMPLATES[0],
            now,
            wrong_key=dials.wrong_key,
            wrong_name=dials.wrong_name,
            extra=extra if dials.san_attribute else "",
        )


def _read(csr: bytes) -> x509.CertificateSigningRequest | None:
    try:
        return certsrv.read(csr)
    except Refused:
        return None
