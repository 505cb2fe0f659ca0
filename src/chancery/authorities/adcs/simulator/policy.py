"""What the CA does with a request: reads it, asks the policy module, issues, lets it wait, or refuses it with a number."""

from __future__ import annotations

import base64
import re

from cryptography import x509

from chancery.authorities.adcs.simulator import numbers
from chancery.authorities.adcs.simulator.database import Database, Row, State, later
from chancery.authorities.adcs.simulator.dials import AdcsDials
from chancery.authorities.adcs.simulator.issuing import Issuer
from chancery.authorities.adcs.simulator.templates import TEMPLATES, Template, find, judge
from chancery.authorities.adcs.simulator.words import LANGUAGES
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials

_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z ]+-----")


def parsed(text: str) -> x509.CertificateSigningRequest | None:
    """Return a PKCS#10, with armour or without; None where it is none."""
    try:
        raw = base64.b64decode("".join(_ARMOUR.sub("", text).split()), validate=True)
        csr = x509.load_der_x509_csr(raw)
        return csr if csr.is_signature_valid else None
    except ValueError:
        return None


class Policy:
    """The certificate service. A `standalone` one knows no templates."""

    def __init__(
        self, database: Database, issuer: Issuer, dials: Dials, clock: ShiftedClock, *, standalone: bool
    ) -> None:
        self._database, self._issuer, self._dials, self._clock = database, issuer, dials, clock
        self._standalone = standalone

    @property
    def _now(self) -> AdcsDials:
        found: AdcsDials = self._dials.now
        return found

    def take(self, csr: x509.CertificateSigningRequest | None, attributes: list[tuple[str, str]], caller: str) -> Row:
        """Make a row of a request and decide about it, at once or later."""
        named = next((value for name, value in attributes if name.lower() == "certificatetemplate"), "")
        now = self._clock.now()
        row = self._database.add(csr, attributes, caller, now, named)
        template = self._template(named)
        code = self._refusal(csr, named, template)
        if code or csr is None:
            self._refuse(row, code, named)
            return row
        self._database.book(row, csr, now)
        dials = self._now
        if dials.issue_delay:
            row.due = later(now, dials.issue_delay)
        elif not (dials.needs_approval or self._standalone or (template and template.pends)):
            self.issue(row)
        return row

    def _template(self, named: str) -> Template | None:
        return TEMPLATES[0] if self._standalone else find(named)

    def _refusal(self, csr: x509.CertificateSigningRequest | None, named: str, template: Template | None) -> int:
        dials = self._now
        if csr is None:
            return numbers.BAD_TAG
        if dials.fails_with:
            return int(dials.fails_with, 16)
        if dials.reject:
            return numbers.UNSUPPORTED_TYPE
        if self._standalone:
            return 0
        return judge(template, csr) if named else numbers.NO_TYPE

    def _refuse(self, row: Row, code: int, named: str) -> None:
        words = LANGUAGES[self._now.language]
        row.code, row.state = code, State.FAILED if self._now.fails_with else State.DENIED
        start = words["unparsed"] if code == numbers.BAD_TAG else words["by_policy"]
        row.message = f"{start}  0x{code:08x}, {numbers.sentence(code, named)}"

    def issue(self, row: Row) -> None:
        """Sign what a row asks for."""
        template, dials = self._template(row.template), self._now
        if row.csr is None or template is None:
            return
        extra = next((value for name, value in row.attributes if name.lower() == "san"), "")
        row.certificate = self._issuer.issue(
            row.csr,
            template,
            self._clock.now(),
            wrong_key=dials.wrong_key,
            wrong_name=dials.wrong_name,
            extra=extra if dials.san_attribute else "",
        )
        row.state, row.due = State.ISSUED, None

    def tick(self) -> None:
        """Issue what was held back and has fallen due."""
        now = self._clock.now()
        for row in self._database.waiting():
            if row.due is not None and row.due <= now:
                self.issue(row)
