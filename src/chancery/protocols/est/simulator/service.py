"""The server: operations below /.well-known/est, with and without a label."""

from __future__ import annotations

import base64
import binascii
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.est.simulator.dials import EstDials
from chancery.protocols.est.simulator.refusal import Refusal
from chancery.protocols.est.simulator.wishes import WISHES
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.der import certs_only
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa, other_key
from chancery.sandbox.frame import Asked, Reply, Router, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "est"
PREFIX = "/.well-known/est"
USER, PASSWORD = "ra-chancery", "sandbox-est-password-4711"
LABELS = {"": 90, "servers": 30, "devices": 365}
"""Label → days of its certificates; '' is the service without one."""


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    ca: EnrolmentCa | None = None,
    user: str = USER,
    password: str = PASSWORD,
) -> Simulator:
    """Return a simulator that is not yet started. `user` '' lets everybody in, as behind a client certificate."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(EstDials)
    shifted = ShiftedClock(clock)
    service = Service(ca or EnrolmentCa(clock.now()), ledger, dials, shifted, (user, password))
    made = Simulator(NAME, service.answer, prefix="", ledger=ledger, dials=dials, clock=shifted)
    made.state = service.state
    made.doors = {
        ("POST", "/approve"): lambda asked: service.decide(asked, "approved"),
        ("POST", "/refuse"): lambda asked: service.decide(asked, "refused"),
    }
    made.credentials = {"user": user, "password": password, "labels": sorted(LABELS)}
    return made


@dataclass
class Waiting:
    """A request that the CA has taken on. `due` is when it is issued by itself; None waits for a person."""

    csr: x509.CertificateSigningRequest
    label: str
    due: datetime | None
    decision: str = ""
    certificate: x509.Certificate | None = None


class Service:
    """One EST server with several labels."""

    def __init__(
        self, ca: EnrolmentCa, ledger: Ledger, dials: Dials, clock: ShiftedClock, login: tuple[str, str]
    ) -> None:
        self._ca, self._ledger, self._dials, self._clock = ca, ledger, dials, clock
        self._login = base64.b64encode(":".join(login).encode()).decode() if login[0] else ""
        self._requests: dict[tuple[str, str], Waiting] = {}
        self._issued: list[x509.Certificate] = []
        self._lock = threading.Lock()
        self._router = Router()
        for prefix in (PREFIX, PREFIX + "/{label}"):
            self._router.add("GET", prefix + "/cacerts", self._cacerts)
            self._router.add("GET", prefix + "/csrattrs", self._csrattrs)
            self._router.add("POST", prefix + "/simpleenroll", self._enroll)
            self._router.add("POST", prefix + "/simplereenroll", self._reenroll)

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        now = self._dials.now
        try:
            if now.throttle or asked.throttled:
                raise Refusal(
                    429, "Too many requests.", **({"Retry_After": now.retry_after} if now.retry_after else {})
                )
            handler = self._router.find(asked)
            if handler is None or asked.params.get("label", "") not in LABELS:
                raise Refusal(404, "There is no such service.")
            with self._lock:
                return handler(asked)
        except Refusal as refusal:
            return refusal.reply(html=now.html_errors)

    # Reading ------------------------------------------------------------------------------------------

    def _cacerts(self, asked: Asked) -> Reply:
        """RFC 7030 section 4.1.2: nobody has to log in."""
        del asked
        missing = self._dials.now.chain == "missing"
        return self._certs([self._ca.root] if missing else [self._ca.root, self._ca.issuing])

    def _csrattrs(self, asked: Asked) -> Reply:
        self._admit(asked)
        dial = self._dials.now.csrattrs
        if dial == "none":
            return Reply(204)
        if dial == "absent":
            raise Refusal(404, "Not provided.")
        return self._encoded(WISHES[dial], "application/csrattrs")

    # Enrolling ----------------------------------------------------------------------------------------

    def _enroll(self, asked: Asked) -> Reply:
        self._admit(asked)
        return self._take(self._request_in(asked), asked.params.get("label", ""), "simpleenroll")

    def _reenroll(self, asked: Asked) -> Reply:
        """RFC 7030 section 4.2.2: subject and alternative names are those of a certificate that is to be renewed."""
        self._admit(asked)
        csr = self._request_in(asked)
        if not any(_same_names(csr, one) for one in self._issued):
            raise Refusal(400, "No certificate with this subject and these names is known.")
        return self._take(csr, asked.params.get("label", ""), "simplereenroll")

    def _admit(self, asked: Asked) -> None:
        now = self._dials.now
        if now.refuse_key or (self._login and asked.headers.get("authorization", "") != f"Basic {self._login}"):
            scheme = "Digest" if now.digest_only else "Basic"
            raise Refusal(401, "Log in first.", WWW_Authenticate=f'{scheme} realm="enrolment"')

    @staticmethod
    def _request_in(asked: Asked) -> x509.CertificateSigningRequest:
        if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/pkcs10":
            raise Refusal(415, "A request of the type application/pkcs10 is needed.")
        try:
            csr = x509.load_der_x509_csr(base64.b64decode(b"".join(asked.body.split()), validate=True))
            valid = csr.is_signature_valid and list(csr.extensions) is not None
        except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
            valid = False
        if not valid:
            raise Refusal(400, "The certificate request cannot be read, or its signature does not fit.")
        return csr

    def _take(self, csr: x509.CertificateSigningRequest, label: str, operation: str) -> Reply:
        """Answer a request: recognise one that waits, by its very bytes, else take it on."""
        dials, known = self._dials.now, (label, _digest(csr))
        if dials.forgets:
            self._requests.clear()
        found = self._requests.get(known)
        if found is None:
            if dials.reject:
                raise Refusal(400, "The profile does not allow this request: subject not permitted.")
            found = self._requests[known] = self._accepted(csr, label, operation)
            return self._reply_for(found, known, acted=True)
        return self._reply_for(found, known, acted=False)

    def _accepted(self, csr: x509.CertificateSigningRequest, label: str, operation: str) -> Waiting:
        dials, now = self._dials.now, self._clock.now()
        due = None if dials.needs_approval else now + timedelta(seconds=dials.issue_delay)
        self._note("order", csr, f"{operation} {label}".strip())
        return Waiting(csr, label, due)

    def _reply_for(self, found: Waiting, known: tuple[str, str], *, acted: bool) -> Reply:
        now = self._clock.now()
        if found.decision == "refused":
            del self._requests[known]
            raise Refusal(400, "An officer refused the request.")
        ready = found.decision == "approved" or (found.due is not None and found.due <= now)
        if not ready:
            wait = self._dials.now.wait
            headers = {"Retry-After": wait} if wait else {}
            return Reply(202, b"An officer looks at it.", "text/plain", acted=acted, headers=headers)
        if found.certificate is None:
            found.certificate = self._issue(found, now)
        if not self._dials.now.remembers:
            del self._requests[known]
        reply = self._certs(self._handed_out(found.certificate))
        reply.acted = True
        return reply

    def _issue(self, found: Waiting, now: datetime) -> x509.Certificate:
        dials = self._dials.now
        made = self._ca.issue(
            found.csr,
            now,
            now + timedelta(days=LABELS[found.label]),
            key=other_key() if dials.wrong_key else None,
            name="somebody-else.example.net" if dials.wrong_name else "",
        )
        self._issued.append(made)
        self._note("certificate", found.csr, f"{made.serial_number:x}")
        return made

    def _handed_out(self, leaf: x509.Certificate) -> list[x509.Certificate]:
        """RFC 7030 section 4.2.3: the certificate alone; but many servers add its issuers, in any order."""
        dials = self._dials.now
        above = [self._ca.root, self._ca.issuing]
        holds = "ca_first" if dials.chain == "shuffled" else dials.answer_holds
        return {"chain": [leaf, *above], "ca_first": [*above, leaf], "only_ca": above}.get(holds, [leaf])

    def _note(self, kind: str, csr: x509.CertificateSigningRequest, detail: str) -> None:
        key = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        order = f"R{len(self._ledger.lines()) + 1}"
        digest, spki = _digest(csr), sha256(key).hexdigest()
        self._ledger.add(self._clock.now(), kind, order=order, spki_sha256=spki, csr_sha256=digest, detail=detail)

    # On the wire --------------------------------------------------------------------------------------

    def _certs(self, certificates: list[x509.Certificate]) -> Reply:
        der = certs_only(certificates)
        return self._encoded(der, "application/pkcs7-mime; smime-type=certs-only")

    def _encoded(self, der: bytes, kind: str) -> Reply:
        form = self._dials.now.form
        if form == "der":
            return Reply(200, der, kind)
        body = base64.b64encode(der) if form == "one_line" else base64.encodebytes(der).replace(b"\n", b"\r\n")
        return Reply(200, body, kind, headers={"Content-Transfer-Encoding": "base64"})

    # Control ------------------------------------------------------------------------------------------

    def decide(self, asked: Asked, decision: str) -> Reply:
        """Let an officer decide about every waiting request."""
        del asked
        with self._lock:
            waiting = [one for one in self._requests.values() if one.certificate is None]
            for one in waiting:
                one.decision = decision
        return json_reply({"decided": len(waiting)})

    def state(self) -> dict[str, Any]:
        """Return what the server keeps."""
        with self._lock:
            kept = [
                {"csr_sha256": digest, "label": label, "issued": one.certificate is not None, "decision": one.decision}
                for (label, digest), one in self._requests.items()
            ]
        return {"requests": kept, "certificates": len(self._issued)}


def _digest(csr: x509.CertificateSigningRequest) -> str:
    return sha256(csr.public_bytes(Encoding.DER)).hexdigest()


def _same_names(csr: x509.CertificateSigningRequest, certificate: x509.Certificate) -> bool:
    return csr.subject == certificate.subject and _alternative(csr.extensions) == _alternative(certificate.extensions)


def _alternative(extensions: x509.Extensions) -> set[x509.GeneralName]:
    found = [e.value for e in extensions if isinstance(e.value, x509.SubjectAlternativeName)]
    return set(found[0]) if found else set()
