"""A client of SCEP, the Simple Certificate Enrolment Protocol (RFC 8894)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from cryptography import x509
from pyasn1.codec.der.encoder import encode
from pyasn1.type import namedtype, univ
from pyasn1_modules import rfc5280

from chancery.core.clock import Clock
from chancery.protocols.bundle import climb, pick, serial
from chancery.protocols.cms import Unreadable, certificates, parse
from chancery.protocols.scep import challenge, message
from chancery.protocols.scep.diagnosis import READER, findings
from chancery.protocols.scep.failures import BAD_ALG, refused, senseless
from chancery.protocols.scep.identity import Identity
from chancery.protocols.scep.message import Asked, CertRep, Kind, Status
from chancery.protocols.scep.progress import Progress
from chancery.protocols.scep.sealing import seal, unseal
from chancery.protocols.scep.service import Known, Service
from chancery.protocols.scep.settings import Authorization, ScepCredentials, ScepSettings
from chancery.protocols.scep.signing import sign
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Dedup, Request
from chancery.sdk.errors import AuthorityError, Forbidden, NotFound, OutcomeUnknown, ProtocolViolation
from chancery.sdk.finding import Finding
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Absence, Found, Issued, Outcome, PollState

DEDUP = Dedup.RETURN_ORIGINAL
"""What an authority declares whose CA keeps transactions, together with `ScepSettings.remembers`; else `Dedup.NONE`.

The transactionID is made from the order's reference, so it is the same over every attempt (RFC 8894 section 3.2.1.1 has
it unique per transaction): a CA that keeps transactions answers a repeated PKCSReq with the original certificate, or
with *pending*, and certifies once. Not every CA keeps them: step-ca 0.19 certifies anew each time.
"""


class ScepClient:
    """Enrols through one SCEP service. Holds nothing but settings, the transport key, and what the CA says of itself.

    A message is signed by the transport key and encrypted to the CA or its registration authority; the answer must be
    signed by one of them, for our transactionID and our nonce, or nothing of it is believed, a refusal neither. Only
    PKCSReq and RenewalReq are acts; CertPoll asks how a transaction stands and orders nothing.
    """

    def __init__(self, door: HttpDoor, settings: ScepSettings, credentials: ScepCredentials, clock: Clock) -> None:
        self._settings, self._credentials = settings, credentials
        self._service = Service(door, settings, clock)
        self._clock = clock
        door.learn(credentials.key_pem)

    @cached_property
    def _identity(self) -> Identity:
        return Identity.read(self._credentials)

    def check(self) -> list[Finding]:
        """Return what *Test connection* shows: transport certificate, capabilities and chain, by reading alone."""
        return findings(lambda: self._identity, self._service, self._settings, self._clock.now())

    # Enrolling ----------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Send the request once, as PKCSReq, or as RenewalReq where the settings and the CA allow it.

        Raises `RejectedByPolicy` with nothing sent for a request without the challengePassword that the CA wants.
        """
        challenge.check(request.csr, self._settings)
        known = self._service.known()
        kind = Kind.RENEWAL_REQ if self._renews(known, request) else Kind.PKCS_REQ
        return self._stand(Progress(request.reference), kind, request.csr, request, known)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Ask how the transaction stands, by CertPoll: it may be asked any number of times."""
        known = self._service.known()
        content = _issuer_and_subject(known, request)
        return self._stand(Progress.read(state), Kind.CERT_POLL, content, request, known)

    def find(self, request: Request) -> Found | Absence:
        """Look for a transaction whose answer was lost, by CertPoll with its transactionID: nothing can be doubled.

        That the CA does not know it is an absence only of a CA that keeps transactions (`remembers`); of another one it
        says nothing, and `OutcomeUnknown` is raised: the certificate may be there.
        """
        evidence = f"The CA answered CertPoll for transaction {request.reference}"
        try:
            return Found(self.poll(Progress(request.reference).state(), request), f"{evidence}.")
        except NotFound as error:
            if self._settings.remembers:
                return Absence(f"{evidence}: it does not know it.")
            raise _no_word(error) from None
        except AuthorityError as error:
            if error.kind == "RejectedByPolicy" and not self._settings.remembers:
                raise _no_word(error) from None
            raise

    def _renews(self, known: Known, request: Request) -> bool:
        allowed = self._settings.renewal_requests and self._settings.authorization is Authorization.CERTIFICATE
        return allowed and bool(request.previous) and known.capabilities.renewal

    # One message and its answer -----------------------------------------------------------------------

    def _stand(self, progress: Progress, kind: Kind, content: bytes, request: Request, known: Known) -> Outcome:
        asked = Asked.fresh(kind, progress.transaction)
        sent = self._message(asked, content, request, known)
        effect = kind is not Kind.CERT_POLL
        answer = self._service.send(sent, post=known.capabilities.post, effect=effect)
        trusted = known.roster.signers
        reply = self._read(
            answer, lambda: message.read(answer.body, asked, trusted, accept_sha1=self._settings.accept_sha1)
        )
        if reply.status is Status.PENDING:
            looked = replace(progress, looks=progress.looks + (not effect))
            return looked.pending(self._settings.first_look, self._settings.patience)
        if reply.status is Status.FAILURE:
            raise self._refusal(reply, answer, kind, request)
        return self._issued(reply, answer, request, known)

    def _message(self, asked: Asked, content: bytes, request: Request, known: Known) -> bytes:
        if self._settings.authorization is Authorization.CERTIFICATE and not self._identity.given:
            raise Forbidden(
                "The CA is to know us by our transport certificate, and none is set.",
                code="no_certificate",
                bytes_sent=False,
                remedy="Have the CA issue a registration authority's certificate for the transport key, and paste it.",
            )
        subject = x509.load_der_x509_csr(request.csr).subject
        chain = self._identity.chain(subject, asked.transaction, request.intended_at)
        cipher = known.capabilities.cipher(allow_3des=self._settings.allow_3des)
        try:
            sealed = seal(content, known.roster.reader, cipher)
        except Unreadable as error:
            text = f"Nothing can be encrypted to the CA: {error}."
            raise ProtocolViolation(text, code="reader", bytes_sent=False, remedy=READER) from None
        return sign(sealed, asked.attributes(), self._identity.key, chain, known.capabilities.digest)

    def _read(self, answer: Answer, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Unreadable as error:
            # The CA may have renewed its certificates since they were read: the next look starts with fresh ones.
            self._service.forget()
            raise senseless(answer, f"The answer of the CA is not believed: {error}.") from None

    def _refusal(self, reply: CertRep, answer: Answer, kind: Kind, request: Request) -> AuthorityError:
        hidden = (*answer.secrets, *challenge.secrets_in(request.csr))
        error = refused(reply, hidden, kind, announced=not self._settings.capabilities)
        if isinstance(error, Forbidden) or reply.fail_info == BAD_ALG:
            self._service.forget()
        return error

    def _issued(self, reply: CertRep, answer: Answer, request: Request, known: Known) -> Issued:
        def opened() -> list[bytes]:
            inside = unseal(reply.content, self._identity.key, allow_3des=self._settings.allow_3des)
            return certificates(inside)

        leaf, others = pick(self._read(answer, opened), request.spki_sha256)
        if leaf is None:
            raise senseless(answer, "The answer holds no certificate for the request.")
        chain, _ = climb(leaf, (*others, *known.roster.ders))
        return Issued(leaf, chain, serial(leaf))


class _IssuerAndSubject(univ.Sequence):  # type: ignore[misc]  # pyasn1 carries no types
    """What CertPoll asks for (RFC 8894 section 3.3.3)."""

    componentType = namedtype.NamedTypes(  # noqa: N815  pyasn1's name
        namedtype.NamedType("issuer", rfc5280.Name()), namedtype.NamedType("subject", rfc5280.Name())
    )


def _issuer_and_subject(known: Known, request: Request) -> bytes:
    found = _IssuerAndSubject()
    found["issuer"] = parse(known.roster.ca.subject.public_bytes(), rfc5280.Name())
    found["subject"] = parse(x509.load_der_x509_csr(request.csr).subject.public_bytes(), rfc5280.Name())
    return bytes(encode(found))


def _no_word(error: AuthorityError) -> OutcomeUnknown:
    return OutcomeUnknown(
        "The CA does not know the transaction, but it is not known to keep them: it may have issued all the same.",
        code=error.code,
        text=error.text,
        stage=error.stage,
        remedy="Look in the CA's own list for a certificate for this key.",
    )
