"""Certificate requests as clients send them, and the keys that emSign takes."""

from __future__ import annotations

import base64
import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_LINES = ("-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----")
_RSA = {2048, 3072, 4096}
_EC = ("secp256r1", "secp384r1")


def csr_of(text: object) -> x509.CertificateSigningRequest | None:
    """Return a request out of PEM, or base64 on one line; None where it is malformed or of another kind of key."""
    bare = str(text)
    for line in _LINES:
        bare = bare.replace(line, "")
    try:
        found = x509.load_der_x509_csr(base64.b64decode("".join(bare.split()), validate=True))
        good = found.is_signature_valid and _is_taken(found.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return found if good else None


def pem_of(csr: x509.CertificateSigningRequest) -> str:
    """Return a request as PEM."""
    return csr.public_bytes(Encoding.PEM).decode()


def digests(csr: x509.CertificateSigningRequest) -> tuple[str, str]:
    """Return SHA-256 (hex) of the request and of its public key."""
    spki = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(csr.public_bytes(Encoding.DER)).hexdigest(), hashlib.sha256(spki).hexdigest()


def _is_taken(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size in _RSA
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _EC
