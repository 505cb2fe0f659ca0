"""Enrolment: CertServerRequest (MS-ICPR section 3.2.4.1.1), ICertRequestD and ICertRequestD2 (MS-WCCE section 3.2.1.4)."""

from __future__ import annotations

import struct

from cryptography.hazmat.primitives.serialization import Encoding

from chancery.protocols.msrpc.simulator.packing import Pull, blob, that, wide
from chancery.protocols.msrpc.simulator.server import BAD_OPNUM, Call, RpcFault
from chancery.sandbox.certsrv import BAD_ARGUMENT, Database, Refused, Row, State
from chancery.sandbox.der import certs_only
from chancery.sandbox.dials import Dials

_PKCS10 = 0x100
_NO_SESSIONS = 0x8009400F
_ISSUED, _PENDING, _REVOKED = 3, 5, 6


class Enrolling:
    """The faces of enrolment over one CA. `ca` is its name: asked for another, it answers that the argument is wrong."""

    def __init__(self, database: Database, dials: Dials, ca: str) -> None:
        self._database, self._dials, self._ca = database, dials, ca

    def icpr(self, call: Call) -> bytes:
        """Answer one call of MS-ICPR: the attributes are a blob, whose length counts the NUL at its end."""
        if call.opnum != 0:
            raise RpcFault(BAD_OPNUM)
        pull = Pull(call.stub)
        flags, ca, number = pull.get("I"), pull.text(), pull.get("I")
        given, csr = pull.blob(), pull.blob()
        if csr and not given.endswith(b"\0\0"):
            return self._result(0, 0, None, BAD_ARGUMENT, "")
        text = given.decode("utf-16-le").rstrip("\0")
        return self._asked(call, flags, ca, number, text, csr)

    def request(self, call: Call) -> bytes:
        """Answer one call of ICertRequestD."""
        if call.opnum != 3:
            raise RpcFault(BAD_OPNUM)
        pull = Pull(call.stub)
        pull.this()
        flags, ca, number = pull.get("I"), pull.text(), pull.get("I")
        text = pull.text() or ""
        return that() + self._asked(call, flags, ca, number, text, pull.blob())

    def about(self, call: Call) -> bytes:
        """Answer one call of ICertRequestD2: GetCAProperty."""
        if call.opnum != 7:
            raise RpcFault(BAD_OPNUM)
        pull = Pull(call.stub)
        pull.this()
        ca, which, index, kind = pull.text(), pull.get("I"), pull.get("I"), pull.get("I")
        content = self._property(which, index, kind) if ca == self._ca else None
        code = int(self._dials.now.code or "0", 16) or (0 if content is not None else BAD_ARGUMENT)
        return that() + blob(content or b"", 1) + struct.pack("<I", code)

    def _property(self, which: int, index: int, kind: int) -> bytes | None:
        published = [t for t in self._database.templates if t.published]
        if (which, kind) == (0x06, 4):
            return wide(self._ca)
        if (which, kind) == (0x1D, 4):
            return wide("".join(f"{t.name}\n{t.oid}\n" for t in published))
        if (which, kind) == (0x0D, 3) and index in {0, 0xFFFFFFFF}:
            missing = self._dials.now.chain == "missing"
            above = [] if missing else [self._database.ca.root]
            return certs_only([self._database.ca.issuing, *above])
        return None

    def _asked(self, call: Call, flags: int, ca: str | None, number: int, text: str, csr: bytes) -> bytes:
        dials = self._dials.now
        if dials.code:
            return self._result(0, 0, None, int(dials.code, 16), "")
        if ca != self._ca:
            return self._result(0, 0, None, BAD_ARGUMENT, "")
        if dials.throttle:
            return self._result(0, 0, None, _NO_SESSIONS, "")
        try:
            row = self._taken(call, flags, text, csr) if csr else self._looked(number)
        except Refused as no:
            return self._result(no.number, no.code, None, 0 if no.number and csr else no.code, no.text)
        disposition = {State.PENDING: _PENDING, State.ISSUED: _ISSUED, State.REVOKED: _REVOKED}[row.state]
        if dials.disposition >= 0:
            disposition = dials.disposition
        return self._result(row.number, disposition, row, 0, row.message)

    def _taken(self, call: Call, flags: int, text: str, csr: bytes) -> Row:
        if flags & 0xF00 not in {0, _PKCS10}:
            raise Refused(BAD_ARGUMENT, "The parameter is incorrect.")
        attributes = dict(line.split(":", 1) for line in text.replace("\r", "").split("\n") if ":" in line)
        row = self._database.take(csr, attributes.get("CertificateTemplate", ""), call.account, text)
        call.acted = True
        return row

    def _looked(self, number: int) -> Row:
        row = self._database.row(number)
        if row.state is State.DENIED:
            raise Refused(row.code, row.message, row.number)
        return row

    def _result(self, number: int, disposition: int, row: Row | None, code: int, message: str) -> bytes:
        """Return the results in the order of both interfaces: the chain is a PKCS#7, in any order."""
        chain = b""
        if row is not None and row.certificate is not None:
            shuffled = self._dials.now.chain == "shuffled"
            above = [] if self._dials.now.chain == "missing" else [self._database.ca.issuing, self._database.ca.root]
            chain = certs_only([*above, row.certificate] if shuffled else [row.certificate, *above])
        leaf = row.certificate.public_bytes(Encoding.DER) if row and row.certificate else b""
        parts = blob(chain, 1) + blob(leaf, 2) + blob(wide(message) if message else b"", 3)
        return struct.pack("<II", number, disposition) + parts + struct.pack("<I", code)
