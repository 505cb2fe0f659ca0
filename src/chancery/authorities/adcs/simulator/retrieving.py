"""certnew.cer, certnew.p7b and certcrl.crl (reference, sections A1.4 and A1.5): files where there are any, else the error page."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.authorities.adcs.simulator import numbers
from chancery.authorities.adcs.simulator.database import Database
from chancery.authorities.adcs.simulator.pages import Pages
from chancery.authorities.adcs.simulator.words import LANGUAGES
from chancery.sandbox.certsrv import Refused, Row, State
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply

_WIDTH = 64


class Retrieving:
    """Anybody who is let in gets any request's certificate."""

    def __init__(self, database: Database, dials: Dials, clock: ShiftedClock) -> None:
        self._database, self._issuer, self._dials, self._clock = database, database.issuer, dials, clock

    def certificate(self, asked: Asked, pages: Pages) -> Reply:
        """Return certnew.cer."""
        now = self._dials.now
        if asked.first("ReqID") == "CACert":
            return self._file(_der(self._issuer.renewals[self._renewal(asked)].issuing), asked, now.cer_type)
        row = self.row(asked.first("ReqID"))
        if row is None or row.certificate is None or row.state is not State.ISSUED:
            return _html(self.error(row, pages))
        return self._file(_der(row.certificate), asked, now.cer_type)

    def bundle(self, asked: Asked, pages: Pages) -> Reply:
        """Return certnew.p7b, of the CA's certificates or of a request's."""
        now, newest = self._dials.now, len(self._issuer.renewals) - 1
        if asked.first("ReqID") == "CACert":
            der = self._issuer.bundle(None, self._renewal(asked), now.chain)
        else:
            row = self.row(asked.first("ReqID"))
            if row is None or row.certificate is None or now.split_chain:
                return _html(self.error(row, pages))
            der = self._issuer.bundle(row.certificate, newest, now.chain)
        return self._file(der, asked, "application/x-pkcs7-certificates", armour=now.p7b_armour)

    def crl(self, asked: Asked) -> Reply:
        """Return certcrl.crl."""
        der = self._issuer.crl(self._clock.now(), self._database.revoked(), stale=self._dials.now.stale_crl)
        return self._file(der, asked, "application/pkix-crl")

    def error(self, row: Row | None, pages: Pages) -> bytes:
        """Return the error page of a request that has no certificate to give."""
        words = LANGUAGES[self._dials.now.language]
        if row is None:
            return pages.error(pages.disposition(0), numbers.sentence(numbers.EMPTY), result=numbers.EMPTY)
        if row.state is State.PENDING:
            return pages.error(pages.disposition(5), words["submitted"])
        if row.state is State.REVOKED:
            return pages.error(pages.disposition(6), words["revoked"])
        return pages.error(pages.disposition(2), row.message, last=row.code or numbers.EMPTY)

    def row(self, number: str) -> Row | None:
        """Return the row of a number as it was typed, or nothing."""
        try:
            return self._database.row(int(number)) if number.isdecimal() else None
        except Refused:
            return None

    def _renewal(self, asked: Asked) -> int:
        found, newest = asked.first("Renewal"), len(self._issuer.renewals) - 1
        return min(int(found), newest) if found.isdecimal() else newest

    @staticmethod
    def _file(der: bytes, asked: Asked, kind: str, *, armour: bool = True) -> Reply:
        if asked.first("Enc") == "bin":
            return Reply(200, der, kind)
        text = base64.b64encode(der).decode()
        lines = [text[i : i + _WIDTH] for i in range(0, len(text), _WIDTH)]
        if armour:
            # A bundle stands between the same lines as a certificate.
            lines = ["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"]
        return Reply(200, "\r\n".join([*lines, ""]).encode(), kind)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _html(body: bytes) -> Reply:
    return Reply(200, body, "text/html; Charset=UTF-8")
