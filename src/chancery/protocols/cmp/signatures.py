"""Signatures over messages (RFC 9481 section 3): ours by the connector's key, the CA's by a certificate that we trust."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from chancery.core import pem
from chancery.core.decoding import UNREADABLE
from chancery.core.errors import Invalid
from chancery.protocols.cmp import oids
from chancery.protocols.cmp.settings import SigningKey

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_BY_CURVE = {256: "sha256", 384: "sha384", 521: "sha512"}
_NULL = bytes.fromhex("0500")
_BAD_PEM: tuple[type[Exception], ...] = (Invalid, *UNREADABLE)
_BAD_SIGNATURE: tuple[type[Exception], ...] = (InvalidSignature, *UNREADABLE)
_LONGEST = 6
_USES = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
_NOTHING = x509.KeyUsage(**dict.fromkeys(_USES.split(), False), encipher_only=False, decipher_only=False)


Certificates = Sequence[x509.Certificate]


class Unusable(Exception):
    """The connector's certificate or key cannot be used; the text says why and quotes nothing of the key."""


class Signer:
    """Signs with the connector's key. `algorithm` is the AlgorithmIdentifier as (OID, DER of parameters or b'')."""

    def __init__(self, credential: SigningKey) -> None:
        self.certificates = certificates(credential.certificate_pem, "certificate")
        if not self.certificates:
            raise Unusable("The connector's certificate is missing, or it is no PEM.")
        self.certificate = self.certificates[0]
        self._key = _load(credential)
        if _spki(self._key.public_key()) != _spki(self.certificate.public_key()):
            raise Unusable("The connector's key does not belong to its certificate.")
        self.algorithm, self._digest = algorithm_of(self._key)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of what has to be protected."""
        return sign(self._key, self._digest, data)


def sign(key: Any, digest: str, data: bytes) -> bytes:
    """Return a signature by a private key; `digest` is '' for keys that need none."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), _HASHES[digest])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(_HASHES[digest]))
    return bytes(key.sign(data))


def algorithm_of(key: Any) -> tuple[tuple[str, bytes], str]:
    """Return how a private key signs: ((OID, parameters), digest); raises `Unusable`."""
    if isinstance(key, rsa.RSAPrivateKey):
        return (oids.oid_of(oids.RSA, "sha256"), _NULL), "sha256"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        digest = _BY_CURVE.get(key.curve.key_size, "sha256")
        return (oids.oid_of(oids.ECDSA, digest), b""), digest
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return (oids.ED25519, b""), ""
    if isinstance(key, ed448.Ed448PrivateKey):
        return (oids.ED448, b""), ""
    raise Unusable("The connector's key is of a kind that CMP messages are not signed with: take RSA, EC or Ed25519.")


def _load(credential: SigningKey) -> Any:
    password = credential.password.reveal().encode() if credential.password else None
    try:
        return serialization.load_pem_private_key(credential.key_pem.reveal().encode(), password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unusable("The connector's key cannot be read: it must be PEM, with its password if it has one.") from None


def certificates(text: str, what: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM text; raises `Unusable` naming `what`."""
    try:
        blocks = pem.split(text.encode())
        return tuple(x509.load_der_x509_certificate(der) for label, der in blocks if label == "CERTIFICATE")
    except _BAD_PEM:
        raise Unusable(f"The {what} cannot be read: it must be PEM.") from None


def _spki(key: Any) -> bytes:
    how = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return bytes(key.public_bytes(*how))


def flaw(
    signature: bytes,
    oid: str,
    protected: bytes,
    signer: x509.Certificate,
    now: datetime,
    pool: Certificates,
    trusted: Certificates,
) -> str | None:
    """Return why a signed answer is not to be believed, None where it is; `pool` helps to build the chain to `trusted`."""
    why = chain_flaw(signer, pool, trusted, now)
    if why is not None:
        return why
    try:
        _verify(signer.public_key(), signature, oid, protected)
    except _BAD_SIGNATURE:
        return "its signature is wrong"
    return None


def _verify(key: Any, signature: bytes, oid: str, data: bytes) -> None:
    if oid in oids.RSA and isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), _HASHES[oids.RSA[oid]])
    elif oid in oids.ECDSA and isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(_HASHES[oids.ECDSA[oid]]))
    elif (oid == oids.ED25519 and isinstance(key, ed25519.Ed25519PublicKey)) or (
        oid == oids.ED448 and isinstance(key, ed448.Ed448PublicKey)
    ):
        key.verify(signature, data)
    else:
        raise InvalidSignature


def chain_flaw(signer: x509.Certificate, pool: Certificates, trusted: Certificates, now: datetime) -> str | None:
    """Return why a signer's certificate is not trusted, None where it is: trusted itself, or issued below such a one."""
    if not _is_valid(signer, now):
        return "the certificate that signed it is not valid today"
    if not _may_sign(signer):
        return "the certificate that signed it is not for signatures"
    if not _leads(signer, pool, trusted, now, 0):
        return "the certificate that signed it does not lead to a trusted one"
    return None


def _leads(last: x509.Certificate, pool: Certificates, trusted: Certificates, now: datetime, below: int) -> bool:
    """Say whether a chain of valid CA certificates leads from `last` to a trusted one (RFC 5280 section 6.1).

    The signer of CMP messages is often the CA itself, which verifiers of TLS certificates do not take as an end of a
    chain. Signature, dates, basicConstraints with path length and keyUsage are checked; name constraints are not, since a
    signer of messages is known by the whole of its name. `below` counts the CAs between.
    """
    if last in trusted:
        return True
    above = [c for c in (*trusted, *pool) if c != last and _may_issue(c, now, below) and _issued(last, c)]
    return below < _LONGEST and any(_leads(c, pool, trusted, now, below + 1) for c in above)


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except _BAD_SIGNATURE:
        return False
    return True


def _may_issue(certificate: x509.Certificate, now: datetime, below: int) -> bool:
    """Say whether it is the valid certificate of a CA that may have so many CAs below it."""
    found = _extensions(certificate)
    basic, usage = found.get(x509.BasicConstraints), found.get(x509.KeyUsage)
    if basic is None or not basic.ca or not _is_valid(certificate, now):
        return False
    deep = basic.path_length is not None and basic.path_length < below
    return not deep and (usage is None or usage.key_cert_sign)


def _may_sign(certificate: x509.Certificate) -> bool:
    """Say whether its key usage, if it has one, allows signatures (RFC 9483 section 3.2)."""
    usage = _extensions(certificate).get(x509.KeyUsage)
    return usage is None or usage.digital_signature


def _extensions(certificate: x509.Certificate) -> dict[type, Any]:
    """Return the extensions by kind; one that cannot be read stands for a CA that may do nothing."""
    try:
        return {type(one.value): one.value for one in certificate.extensions}
    except UNREADABLE:
        return {x509.KeyUsage: _NOTHING}
