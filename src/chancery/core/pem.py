"""PEM text (RFC 7468) and PKCS#7 bundles."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.core.errors import Invalid

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,60})-----\s([^-]*(?:-(?!----)[^-]*)*)-----END \1-----")
"""A block ends at the next five dashes or is none: to look further for its end, from each beginning, would take forever."""
_BEGUN = b"-----BEGIN "


def split(text: bytes, field: str = "pem") -> list[tuple[str, bytes]]:
    """Return (label, DER) of every block; raises `Invalid` on a block whose base64 is broken."""
    return [(label.decode(), _decode(body, field)) for label, body in _BLOCK.findall(text)]


def begun(text: bytes) -> int:
    """Return how many blocks begin, whether they end or not."""
    return text.count(_BEGUN)


def outside(text: bytes) -> bytes:
    """Return what stands outside all blocks, without white space at the ends."""
    return _BLOCK.sub(b"", text).strip()


def encode(label: str, der: bytes) -> str:
    """Return one PEM block with lines of 64 characters."""
    body = base64.b64encode(der).decode()
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def chain_text(ders: Iterable[bytes]) -> str:
    """Return certificates as PEM, in the given order."""
    return "".join(encode("CERTIFICATE", der) for der in ders)


def pkcs7_bundle(ders: Iterable[bytes]) -> bytes:
    """Return certificates as a PKCS#7 bundle without signer (RFC 2315), DER."""
    return pkcs7.serialize_certificates([x509.load_der_x509_certificate(d) for d in ders], Encoding.DER)


def _decode(body: bytes, field: str) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid.one(
            field, "The PEM block holds characters that are no base64.", "Copy the block whole."
        ) from None
