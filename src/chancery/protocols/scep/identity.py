"""Our transport key: it signs messages, and answers are encrypted to it. It is never the key of a subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from chancery.core import pem
from chancery.core.decoding import UNREADABLE
from chancery.core.errors import Invalid
from chancery.core.secret import Secret
from chancery.protocols.scep.settings import ScepCredentials
from chancery.sdk.errors import AuthFailed

_UNREADABLE: tuple[type[Exception], ...] = (*UNREADABLE, Invalid)
_BITS = 2048
_DAY = timedelta(days=1)
_REMEDY = "Paste an RSA key as PEM without a passphrase, and its certificate first, then the issuers of that."


@dataclass(frozen=True, slots=True)
class Identity:
    """The key, and the certificates that the CA gave for it (ours first); none makes one for each transaction."""

    key: rsa.RSAPrivateKey
    given: tuple[x509.Certificate, ...]

    @classmethod
    def read(cls, credentials: ScepCredentials) -> Identity:
        """Return what the settings hold; raises `AuthFailed`, with nothing sent and no key quoted."""
        key = _key(credentials.key_pem)
        given = tuple(_certificates(credentials.certificate_pem)) if credentials.certificate_pem.strip() else ()
        if given and given[0].public_key() != key.public_key():
            raise _unusable("The transport certificate is not for the transport key.")
        return cls(key, given)

    def chain(self, subject: x509.Name, transaction: str, moment: datetime) -> tuple[x509.Certificate, ...]:
        """Return the certificates that sign a transaction's messages.

        A self-signed one (RFC 8894 section 2.3) carries the request's subject, and is the same for every message of a
        transaction, also after a restart: it is made of nothing but the arguments.
        """
        return self.given or (self._self_signed(subject, transaction, moment),)

    def _self_signed(self, subject: x509.Name, transaction: str, moment: datetime) -> x509.Certificate:
        name = subject if list(subject) else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, transaction[:64])])
        digest = sha256(transaction.encode()).digest()
        moment = moment.replace(microsecond=0)
        use = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=True,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(int.from_bytes(digest[:15], "big") + 1)
            .not_valid_before(moment - _DAY)
            .not_valid_after(moment + 365 * _DAY)
            .add_extension(use, critical=True)
        )
        return builder.sign(self.key, hashes.SHA256())


def fresh_key() -> Secret:
    """Return a new transport key (RSA, PEM), for an authority's `prepare`."""
    key = rsa.generate_private_key(65537, _BITS)
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _key(text: Secret) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(text.reveal().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable("The transport key cannot be read.") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _unusable("The transport key is not RSA, and SCEP encrypts to RSA keys alone.")
    return key


def _certificates(text: str) -> list[x509.Certificate]:
    try:
        found = [
            x509.load_der_x509_certificate(der) for label, der in pem.split(text.encode()) if label == "CERTIFICATE"
        ]
    except _UNREADABLE:
        found = []
    if not found:
        raise _unusable("The transport certificate cannot be read.")
    return found


def _unusable(message: str) -> AuthFailed:
    return AuthFailed(message, code="transport_key", bytes_sent=False, remedy=_REMEDY)
