"""Signatures over messages (RFC 9481 section 3): ours by the connector's key, the CA's by a certificate that we trust."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import verification

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
_BAD_CHAIN: tuple[type[Exception], ...] = (verification.VerificationError, *UNREADABLE)


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
        self.algorithm, self._digest = _algorithm(self._key)

    @property
    def key(self) -> Any:
        """Return the private key, for proofs of possession."""
        return self._key

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
    return _algorithm(key)


def _algorithm(key: Any) -> tuple[tuple[str, bytes], str]:
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
    signature: bytes, oid: str, protected: bytes, signer: x509.Certificate, now: datetime, pool: Any, trusted: Any
) -> str:
    """Return why a signed answer is not to be believed, '' where it is; `pool` helps to build the chain to `trusted`."""
    why = chain_flaw(signer, pool, trusted, now)
    if why:
        return why
    try:
        _verify(signer.public_key(), signature, oid, protected)
    except _BAD_SIGNATURE:
        return "its signature is wrong"
    return ""


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


def chain_flaw(signer: x509.Certificate, pool: Any, trusted: Any, now: datetime) -> str:
    """Return why a signer's certificate is not trusted, '' where it is: pinned itself, or issued below a trusted one."""
    if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
        return "the certificate that signed it is not valid today"
    if not _may_sign(signer):
        return "the certificate that signed it is not for signatures"
    if signer in trusted:
        return ""
    permissive = verification.ExtensionPolicy.permit_all()
    try:
        builder = verification.PolicyBuilder().store(verification.Store(list(trusted))).time(now)
        builder = builder.extension_policies(ca_policy=permissive, ee_policy=permissive)
        builder.build_client_verifier().verify(signer, [one for one in pool if one != signer])
    except _BAD_CHAIN:
        return "the certificate that signed it does not lead to a trusted one"
    return ""


def _may_sign(certificate: x509.Certificate) -> bool:
    """Say whether its key usage, if it has one, allows signatures (RFC 9483 section 3.2)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return True
    except UNREADABLE:
        return False
