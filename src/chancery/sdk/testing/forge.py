"""Puts another certificate in the place of the one that the CA sent: for another key, or for another name."""

from __future__ import annotations

import base64
import re
from functools import cache, partial

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_BREAKS = re.compile(rb"\\[rn]|\s")
_OTHER = "another.example.com"


def forge(body: bytes, *, key: bool) -> bytes:
    """Return an answer whose leaf certificates (PEM, also inside JSON) are for another key, or else another name.

    An answer without any is returned as it is.
    """
    return _PEM.sub(partial(_replaced, key=key), body)


def _replaced(found: re.Match[bytes], *, key: bool) -> bytes:
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(_BREAKS.sub(b"", found[1])))
        made = _forged(certificate, key=key) if not _is_ca(certificate) else None
    except ValueError:
        made = None
    if made is None:
        return found[0]
    text = made.public_bytes(Encoding.PEM).strip()
    return text.replace(b"\n", b"\\n") if b"\\n" in found[1] else text


def _is_ca(certificate: x509.Certificate) -> bool:
    found = [e.value for e in certificate.extensions if isinstance(e.value, x509.BasicConstraints)]
    return any(value.ca for value in found)


def _forged(old: x509.Certificate, *, key: bool) -> x509.Certificate:
    other = x509.SubjectAlternativeName([x509.DNSName(_OTHER)])
    names = x509.SubjectAlternativeName
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=_key().public_key() if key else old.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=old.not_valid_before_utc.replace(tzinfo=None),
        not_valid_after=old.not_valid_after_utc.replace(tzinfo=None),
        extensions=[
            x509.Extension(e.oid, e.critical, other) if isinstance(e.value, names) and not key else e
            for e in old.extensions
        ],
    )
    return builder.sign(_key(), hashes.SHA256())


@cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
