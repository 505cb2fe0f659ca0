"""Channel bindings: the proof that a login came over this very TLS connection (RFC 5929 section 4)."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import SignatureAlgorithmOID

_WEAK = (hashes.MD5, hashes.SHA1)


def end_point(certificate: bytes) -> bytes:
    """Return the binding data of a server's certificate (DER): `tls-server-end-point:` and its hash.

    The hash is that of the certificate's own signature, but SHA-256 where that is MD5 or SHA-1. Where a signature has no one
    hash (EdDSA) the RFC leaves it open, and for RSASSA-PSS what Windows takes is not known: SHA-256 for both.
    """
    digest = hashes.Hash(_hash_of(x509.load_der_x509_certificate(certificate)))
    digest.update(certificate)
    return b"tls-server-end-point:" + digest.finalize()


def _hash_of(certificate: x509.Certificate) -> hashes.HashAlgorithm:
    try:
        found = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        found = None
    pss = certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS
    return hashes.SHA256() if found is None or pss or isinstance(found, _WEAK) else found
