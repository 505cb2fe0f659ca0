"""The server: GetCACaps, GetCACert and PKIOperation for several profiles below /scep."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.scep.simulator.dials import ScepDials
from chancery.protocols.scep.simulator.reading import Garbled, Message, read
from chancery.protocols.scep.simulator.transactions import Failure, Profile, Transactions
from chancery.protocols.scep.simulator.writing import Rep, envelope, signed
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.der import certs_only
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sandbox.frame import Asked, Reply, Router, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "scep"
PREFIX = "/scep"
CHALLENGE = "sandbox-challenge-4711"
PROFILES = {
    "open": Profile(30),
    "challenge": Profile(30, challenge=CHALLENGE),
    "registration": Profile(30, registration_only=True),
}
_CAPS = {
    "": "AES\nDES3\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-1\nSHA-256\nSHA-512",
    "get_only": "AES\r\nRenewal\r\nSHA-256\r\n",
    "standard": "SCEPStandard",
    "no_aes": "DES3\nPOSTPKIOperation\nSHA-512",
    "sha1": "AES\nPOSTPKIOperation\nSHA-1",
    "empty": "",
}


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    ca: EnrolmentCa | None = None,
) -> Simulator:
    """Return a simulator that is not yet started; its credentials hold a registration authority's key for clients."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(ScepDials)
    shifted = ShiftedClock(clock)
    service = Service(ca or EnrolmentCa(clock.now(), rsa_keys=True), ledger, dials, shifted)
    made = Simulator(NAME, service.answer, prefix=PREFIX, ledger=ledger, dials=dials, clock=shifted)
    made.state = service.book.state
    made.doors = {
        ("POST", "/approve"): lambda _: json_reply({"decided": service.book.decide("approved")}),
        ("POST", "/refuse"): lambda _: json_reply({"decided": service.book.decide("refused")}),
    }
    made.credentials = {"challenge": CHALLENGE, "profiles": sorted(PROFILES), **service.registration()}
    return made


@cache
def _client_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class Service:
    """One SCEP server."""

    def __init__(self, ca: EnrolmentCa, ledger: Ledger, dials: Dials, clock: ShiftedClock) -> None:
        self._ca, self._dials, self._clock = ca, dials, clock
        self.book = Transactions(ca, ledger, dials, clock)
        now = clock.now()
        self._reader, self._signer = (ca.registration(now, encrypts=True), ca.registration(now, encrypts=False))
        self._router = Router()
        self._router.add("GET", PREFIX + "/{profile}", self._get)
        self._router.add("POST", PREFIX + "/{profile}", self._post)

    def registration(self) -> dict[str, str]:
        """Return a registration authority's certificate and key (PEM) that this CA trusts to sign for others."""
        key = _client_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Chancery RA")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        now = self._clock.now()
        made = self._ca.issue(request, now, now + timedelta(days=365))
        self.book.known.append(made)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return {"certificate": made.public_bytes(Encoding.PEM).decode(), "key": text}

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        now = self._dials.now
        if now.refuse_key:
            return Reply(401, b"Who are you?", "text/plain", headers={"WWW-Authenticate": 'Basic realm="proxy"'})
        if now.throttle or asked.throttled:
            headers = {"Retry-After": now.retry_after} if now.retry_after else {}
            return Reply(429, b"Slow down.", "text/plain", headers=headers)
        handler = self._router.find(asked)
        if handler is None or asked.params["profile"] not in PROFILES:
            return Reply(404, b"Not found.", "text/plain")
        return handler(asked)

    def _get(self, asked: Asked) -> Reply:
        operation = asked.first("operation")
        if operation == "GetCACaps":
            caps = self._dials.now.caps
            return Reply(404, b"", "text/plain") if caps == "absent" else Reply(200, _CAPS[caps].encode(), "text/plain")
        if operation == "GetCACert":
            return self._certificates()
        if operation == "PKIOperation":
            try:
                return self._operated(base64.b64decode(asked.first("message"), validate=True), asked)
            except binascii.Error:
                pass
        return Reply(400, b"No such operation.", "text/plain")

    def _post(self, asked: Asked) -> Reply:
        if asked.first("operation") != "PKIOperation" or self._dials.now.caps == "get_only":
            return Reply(405, b"No such operation.", "text/plain")
        return self._operated(asked.body, asked)

    def _certificates(self) -> Reply:
        dials = self._dials.now
        found = {"one": [self._reader[0]], "two": [self._reader[0], self._signer[0]]}.get(dials.ra, [])
        above = [] if dials.chain == "missing" else [self._ca.issuing]
        above += [self._ca.root] if dials.ca_chain or dials.chain else []
        together = [*found, *above]
        if len(together) == 1:
            return Reply(200, together[0].public_bytes(Encoding.DER), "application/x-x509-ca-cert")
        return Reply(200, certs_only(together), "application/x-x509-ca-ra-cert")

    # One message --------------------------------------------------------------------------------------

    def _operated(self, body: bytes, asked: Asked) -> Reply:
        dials = self._dials.now
        reader = self._reader if dials.ra else (self._ca.issuing, self._ca.key)
        try:
            message = read(body, reader, single_des=dials.single_des)
        except Garbled:
            return Reply(400, b"The message cannot be read.", "text/plain")
        with self.book.lock:
            try:
                certificate, acted = self.book.stand(message, PROFILES[asked.params["profile"]])
                return self._reply(message, certificate, acted=acted)
            except Failure as failure:
                rep = Rep(message.transaction, message.nonce, "2", fail_info=failure.info, fail_text=failure.text)
                return self._sent(b"", rep, acted=False)

    def _reply(self, message: Message, certificate: x509.Certificate | None, *, acted: bool) -> Reply:
        if certificate is None:
            return self._sent(b"", Rep(message.transaction, message.nonce, "3"), acted=acted)
        dials = self._dials.now
        above = [self._ca.issuing, self._ca.root]
        together = [*above, certificate] if dials.chain == "shuffled" else [certificate]
        inside = certs_only(above if dials.answer == "leafless" else together)
        recipient = (
            self._ca.registration(self._clock.now(), encrypts=True)[0] if dials.answer == "foreign" else message.signer
        )
        sealed = envelope(inside, recipient, dials.cipher, stretched=dials.stretched)
        return self._sent(sealed, Rep(message.transaction, message.nonce, "0"), acted=acted)

    def _sent(self, content: bytes, rep: Rep, *, acted: bool) -> Reply:
        dials = self._dials.now
        spoilt: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": b"\0" * 16},
            "transaction": {"transaction": "another"},
            "type": {"kind": "19"},
        }
        said = replace(rep, **spoilt.get(dials.answer, {}), status=dials.status or rep.status)
        signer = (self._ca.issuing, self._ca.key)
        if dials.ra == "two":
            signer = self._signer
        if dials.answer == "signer":
            signer = (signer[0], self._reader[1])
        body = signed(content, said, signer, dials.digest, other=dials.answer == "digest")
        body = certs_only([self._ca.root]) if dials.answer == "unsigned" else body
        return Reply(200, body, "application/x-pki-message", acted=acted)
