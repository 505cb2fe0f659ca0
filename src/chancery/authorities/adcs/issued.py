"""Certificates out of what Web Enrollment sends them in, and what is to be said of one that came."""

from __future__ import annotations

import base64
import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from chancery.core.decoding import UNREADABLE

_ARMOUR = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,40}-----\s(.*?)-----END [A-Z0-9 ]{1,40}-----", re.DOTALL)
_SEQUENCE = 0x30
_AGENT, _SMART_CARD = "1.3.6.1.4.1.311.20.2.1", "1.3.6.1.4.1.311.20.2.2"
_DANGEROUS = {
    ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string: "logging in as a client",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string: "any purpose",
    _SMART_CARD: "smart card logon",
    _AGENT: "requesting on behalf of others",
    "1.3.6.1.5.2.3.4": "Kerberos login (PKINIT)",
}
"""Uses with which a name of one's own choice logs in as somebody else (ESC1 to ESC3)."""


def certificates(raw: bytes) -> list[bytes]:
    """Return the DER of every certificate in a body, whatever its label or content type says; [] where there is none.

    A PKCS#7 bundle may stand between CERTIFICATE lines: the armour is taken off, then PKCS#7 is tried, then X.509.
    """
    blobs = [_decoded(match[1]) for match in _ARMOUR.finditer(raw)] or [raw]
    return [der for blob in blobs for der in (_bundle(blob) or _single(blob))]


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return b""


def _bundle(raw: bytes) -> list[bytes]:
    if not raw or raw[0] != _SEQUENCE:
        return []
    try:
        return [c.public_bytes(Encoding.DER) for c in pkcs7.load_der_pkcs7_certificates(raw)]
    except (ValueError, UnsupportedAlgorithm):
        return []


def _single(raw: bytes) -> list[bytes]:
    try:
        return [x509.load_der_x509_certificate(raw).public_bytes(Encoding.DER)]
    except UNREADABLE:
        return []


def warnings_about(leaf: bytes) -> tuple[str, ...]:
    """Return what people must hear of a certificate that the CA gave dangerous uses."""
    try:
        extensions = x509.load_der_x509_certificate(leaf).extensions
    except UNREADABLE:
        return ()
    uses = [u.dotted_string for e in extensions if isinstance(e.value, x509.ExtendedKeyUsage) for u in e.value]
    if not uses:
        return (f"The template sets no use at all, so that the certificate is good for any purpose. {_REMEDY}",)
    bad = [_DANGEROUS[use] for use in uses if use in _DANGEROUS]
    return (f"The template also allows {', '.join(bad)}. {_REMEDY}",) if bad else ()


_REMEDY = (
    "Whoever may choose the subject can then log in to the domain as somebody else: use a template for server "
    "authentication alone."
)
