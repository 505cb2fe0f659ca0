"""What the CA keeps of each transaction, and decides about it (RFC 8894 sections 2.5 and 3.2.1.1)."""

from __future__ import annotations

import hmac
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AttributeOID

from chancery.core.clock import Clock
from chancery.protocols.scep.simulator.reading import Message
from chancery.sandbox.der import read_one
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa, other_key
from chancery.sandbox.ledger import Ledger

_PKCS_REQ, _RENEWAL_REQ, _CERT_POLL = "19", "17", "20"
BAD_REQUEST, BAD_CERT_ID = "2", "4"


class Failure(Exception):
    """A signed no: failInfo, and text for people."""

    def __init__(self, info: str, text: str) -> None:
        super().__init__(text)
        self.info, self.text = info, text


@dataclass(frozen=True)
class Profile:
    """One service: days of its certificates, the password it wants ('' for none), and whether it takes RAs alone."""

    days: int
    challenge: str = ""
    registration_only: bool = False


@dataclass
class Transaction:
    """One request at the CA. `due` is when it is issued by itself; None waits for a person."""

    csr: x509.CertificateSigningRequest
    profile: Profile
    due: datetime | None
    decision: str = ""
    certificate: x509.Certificate | None = None


class Transactions:
    """The CA's book. `known` are certificates of registration authorities that may sign for others."""

    def __init__(self, ca: EnrolmentCa, ledger: Ledger, dials: Dials, clock: Clock) -> None:
        self._ca, self._ledger, self._dials, self._clock = ca, ledger, dials, clock
        self.known: list[x509.Certificate] = []
        self._kept: dict[str, Transaction] = {}
        self.lock = threading.Lock()

    def stand(self, message: Message, profile: Profile) -> tuple[x509.Certificate | None, bool]:
        """Return the certificate, or None where it is waited for, and whether this took a new request on.

        Raises `Failure`.
        """
        if message.flaw:
            raise Failure(message.flaw, "The message is not signed, or not encrypted, as it must be.")
        if self._dials.now.fail_info:
            raise Failure(self._dials.now.fail_info, "As the dial says.")
        if message.kind == _CERT_POLL:
            return self._polled(message), False
        if message.kind not in {_PKCS_REQ, _RENEWAL_REQ}:
            raise Failure(BAD_REQUEST, f"messageType {message.kind} is not provided.")
        csr = self._request_in(message.content)
        found = None if self._dials.now.forgets else self._kept.get(message.transaction)
        if found is not None:
            if found.csr != csr:
                raise Failure(BAD_REQUEST, "This transactionID belongs to another request.")
            return self._certificate(found), False
        self._admit(message, csr, profile)
        taken = self._taken(message, csr, profile)
        return self._certificate(taken), True

    def _polled(self, message: Message) -> x509.Certificate | None:
        found = None if self._dials.now.forgets else self._kept.get(message.transaction)
        try:
            subject = read_one(message.content).parts()[1].raw
        except (ValueError, IndexError):
            raise Failure(BAD_REQUEST, "Issuer and subject are needed.") from None
        if found is None or found.csr.subject.public_bytes() != subject:
            raise Failure(BAD_CERT_ID, "There is no such transaction.")
        return self._certificate(found)

    @staticmethod
    def _request_in(content: bytes) -> x509.CertificateSigningRequest:
        try:
            csr = x509.load_der_x509_csr(content)
            valid = csr.is_signature_valid and list(csr.extensions) is not None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            valid = False
        if not valid:
            raise Failure(BAD_REQUEST, "The certificate request cannot be read, or its signature does not fit.")
        return csr

    def _admit(self, message: Message, csr: x509.CertificateSigningRequest, profile: Profile) -> None:
        trusted = message.signer in self.known
        if message.kind == _RENEWAL_REQ and not trusted:
            raise Failure(BAD_REQUEST, "A renewal is signed by a certificate of this CA.")
        if profile.registration_only and not trusted:
            raise Failure(BAD_REQUEST, "Only registration authorities are served here.")
        if self._dials.now.same_key and not trusted and message.signer.public_key() != csr.public_key():
            raise Failure(BAD_REQUEST, "The message is not signed by the key of the request.")
        if profile.challenge and not hmac.compare_digest(_password(csr), profile.challenge.encode()):
            raise Failure(BAD_REQUEST, "The challenge password is wrong.")
        if self._dials.now.reject:
            raise Failure(BAD_REQUEST, "The profile does not allow this subject.")

    def _taken(self, message: Message, csr: x509.CertificateSigningRequest, profile: Profile) -> Transaction:
        dials, now = self._dials.now, self._clock.now()
        due = None if dials.needs_approval else now + timedelta(seconds=dials.issue_delay)
        self._kept[message.transaction] = taken = Transaction(csr, profile, due)
        self._note("order", message.transaction, csr, f"messageType {message.kind}")
        return taken

    def _certificate(self, found: Transaction) -> x509.Certificate | None:
        now, dials = self._clock.now(), self._dials.now
        if found.decision == "refused":
            raise Failure(BAD_REQUEST, "An officer refused the request.")
        if found.certificate is None and (found.decision == "approved" or (found.due is not None and found.due <= now)):
            found.certificate = self._ca.issue(
                found.csr,
                now,
                now + timedelta(days=found.profile.days),
                key=other_key() if dials.wrong_key else None,
                name="somebody-else.example.net" if dials.wrong_name else "",
            )
            self._note("certificate", "", found.csr, f"{found.certificate.serial_number:x}")
        return found.certificate

    def _note(self, kind: str, transaction: str, csr: x509.CertificateSigningRequest, detail: str) -> None:
        key = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._ledger.add(
            self._clock.now(),
            kind,
            order=f"T{len(self._ledger.lines()) + 1}",
            reference=transaction,
            spki_sha256=sha256(key).hexdigest(),
            csr_sha256=sha256(csr.public_bytes(Encoding.DER)).hexdigest(),
            detail=detail,
        )

    def decide(self, decision: str) -> int:
        """Let an officer decide about every waiting request; returns how many there were."""
        with self.lock:
            waiting = [one for one in self._kept.values() if one.certificate is None]
            for one in waiting:
                one.decision = decision
        return len(waiting)

    def state(self) -> dict[str, Any]:
        """Return what the CA keeps, for the control door."""
        with self.lock:
            kept = self._kept.items()
            return {
                "transactions": [
                    {"id": i, "issued": t.certificate is not None, "decision": t.decision} for i, t in kept
                ]
            }


def _password(csr: x509.CertificateSigningRequest) -> bytes:
    try:
        return csr.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value
    except x509.AttributeNotFound:
        return b""
