"""Protects what we send, and judges the protection of what comes back (RFC 9810 section 5.1.3)."""

from __future__ import annotations

import hmac
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pyasn1_modules import rfc2459

from chancery.core.decoding import UNREADABLE
from chancery.protocols.cmp import macs, names, signatures
from chancery.protocols.cmp.message import Message, Unreadable, decode, directory_name, encode
from chancery.protocols.cmp.settings import CmpSettings, Credential, SharedSecret
from chancery.protocols.cmp.signatures import Signer, Unusable, certificates

_LONGEST_NAME = 64
NO_NAME = x509.Name([]).public_bytes()
_NO_EXTENSION: tuple[type[Exception], ...] = (x509.ExtensionNotFound, *UNREADABLE)
WRONG_MAC = "it is protected by another shared secret"
"""What a wrong secret looks like, on either side."""


class Protection:
    """One connector's credential and what it trusts; raises `Unusable` where these cannot be read.

    `protect(part, algorithm)` returns the protection; `algorithm()` a fresh AlgorithmIdentifier (DER).
    """

    def __init__(self, settings: CmpSettings, credential: Credential) -> None:
        self._shared = credential if isinstance(credential, SharedSecret) else None
        self.signer = None if isinstance(credential, SharedSecret) else Signer(credential)
        self._trusted = certificates(settings.trust_pem, "certificate to trust")
        self._expected = _name(settings.sender, "expected sender")
        recipient = _name(settings.recipient, "name of the CA")
        self.recipient = directory_name(recipient if recipient is not None else NO_NAME)
        self.sender = directory_name(self._own_name(settings))

    def _own_name(self, settings: CmpSettings) -> bytes:
        if self._shared is None:
            return self._signing().certificate.subject.public_bytes()
        if settings.name is not None:
            return _name(settings.name, "connector's own name") or NO_NAME
        common = x509.NameAttribute(NameOID.COMMON_NAME, self._shared.reference[:_LONGEST_NAME] or "-")
        return x509.Name([common]).public_bytes()

    @property
    def key_id(self) -> bytes:
        """Return senderKID: the secret's reference, or the subject key identifier of our certificate."""
        if self._shared is not None:
            return self._shared.reference.encode()
        return _key_identifier(self.signer.certificate) if self.signer else b""

    @property
    def extra(self) -> tuple[bytes, ...]:
        """Return the certificates that the CA needs to verify our signature."""
        return tuple(c.public_bytes(Encoding.DER) for c in self.signer.certificates) if self.signer else ()

    def algorithm(self) -> bytes:
        """Return the AlgorithmIdentifier of the next message, DER."""
        if self._shared is not None:
            return macs.fresh(self._shared.mac, self._shared.digest, self._shared.iterations)
        made, (oid, parameters) = rfc2459.AlgorithmIdentifier(), self._signing().algorithm
        made["algorithm"] = oid
        if parameters:
            made["parameters"] = parameters
        return encode(made)

    def protect(self, part: bytes, algorithm: bytes) -> bytes:
        """Return the protection of a message, by the algorithm that its header names."""
        if self._shared is None:
            return self._signing().sign(part)
        found = decode(algorithm, rfc2459.AlgorithmIdentifier())
        return macs.mac(self._secret(), str(found["algorithm"]), bytes(found["parameters"]), part)

    def flaw(self, message: Message, now: datetime) -> str | None:
        """Return why a message is not to be believed, None where it is."""
        if not message.protection:
            return "nothing protects it"
        if macs.is_mac(message.algorithm):
            return self._mac_flaw(message)
        why = self._signature_flaw(message, now)
        return self._sender_flaw(message) if why is None else why

    def _mac_flaw(self, message: Message) -> str | None:
        if self._shared is None:
            return "it is protected by a shared secret, and the connector has none"
        try:
            wanted = macs.mac(self._secret(), message.algorithm, message.parameters, message.protected)
        except Unreadable as error:
            return str(error)
        if not hmac.compare_digest(wanted, message.protection):
            return WRONG_MAC
        return self._sender_flaw(message)

    def _sender_flaw(self, message: Message) -> str | None:
        if self._expected is None or names.same(message.sender, self._expected):
            return None
        return "its sender is not the one that the connector expects"

    def _signature_flaw(self, message: Message, now: datetime) -> str | None:
        if not self._trusted:
            return "it is signed, and the connector trusts no certificate for that"
        pool = [*_readable(message.certificates), *self._trusted]
        candidates = [c for c in pool if names.same(message.sender, c.subject.public_bytes())]
        why: str | None = "the certificate that signed it is not there"
        for signer in candidates:
            why = signatures.flaw(
                message.protection, message.algorithm, message.protected, signer, now, pool, self._trusted
            )
            if why is None:
                break
        return why

    def _secret(self) -> bytes:
        return self._shared.secret.reveal().encode() if self._shared else b""

    def _signing(self) -> Signer:
        if self.signer is None:
            raise Unusable("The connector has no certificate to sign with.")
        return self.signer


def _name(text: str, what: str) -> bytes | None:
    if not text.strip():
        return None
    try:
        return x509.Name.from_rfc4514_string(text).public_bytes()
    except ValueError:
        raise Unusable(f"The {what} is no distinguished name: write it like CN=Issuing CA,O=Example.") from None


def _readable(ders: tuple[bytes, ...]) -> list[x509.Certificate]:
    found = []
    for der in ders:
        try:
            found.append(x509.load_der_x509_certificate(der))
        except UNREADABLE:
            continue
    return found


def _key_identifier(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except _NO_EXTENSION:
        return b""
