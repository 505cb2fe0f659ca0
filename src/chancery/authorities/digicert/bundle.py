"""Certificates out of whatever DigiCert sends them in: PEM, PKCS#7, a ZIP of files, a list in JSON (B3.2)."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.authorities.digicert.read import rows
from chancery.core import pem
from chancery.core.certificate import facts, spki_of
from chancery.core.errors import Invalid
from chancery.sdk.authority import Request
from chancery.sdk.outcome import Issued

_MOST_FILES, _MOST_BYTES = 30, 1_000_000
_ZIP = b"PK\x03\x04"


def pick(raw: bytes, request: Request, reference: str) -> Issued | None:
    """Return the certificate for the request's key with all others as its chain; None where there is none.

    Neither the number of certificates nor their order means anything: the leaf is known by its key.
    """
    ders = list(dict.fromkeys(certificates(raw)))
    leaf = next((d for d in ders if spki_of(d) == request.spki_sha256), None)
    if leaf is None:
        return None
    return Issued(leaf, tuple(d for d in ders if d != leaf), reference)


def foreign(raw: bytes, reference: str) -> Issued | None:
    """Return what came although it is for another key, for the engine to quarantine; None where nothing can be read."""
    ders = list(dict.fromkeys(certificates(raw)))
    leaf = next((d for d in ders if not _is_ca(d)), None)
    return Issued(leaf, tuple(d for d in ders if d != leaf), reference) if leaf is not None else None


def _is_ca(der: bytes) -> bool:
    try:
        return facts(der).is_ca
    except Invalid:
        return False


def chain_in(answer: dict[str, Any]) -> bytes:
    """Return the PEM texts of an order's answer, one after the other."""
    texts = [row.get("pem") for row in rows(answer.get("certificate_chain"))]
    return "\n".join(t for t in texts if isinstance(t, str)).encode("utf-8", "replace")


def certificates(raw: bytes) -> list[bytes]:
    """Return the DER of every certificate in a file; [] where nothing can be read."""
    if raw.startswith(_ZIP):
        return _zipped(raw)
    try:
        blocks = pem.split(raw)
    except Invalid:
        return []
    if not blocks:
        return _pkcs7(raw) or _single(raw)
    found: list[bytes] = []
    for label, der in blocks:
        found += [der] if label == "CERTIFICATE" else _pkcs7(der) if label == "PKCS7" else []
    return found


def _pkcs7(der: bytes) -> list[bytes]:
    try:
        return [c.public_bytes(Encoding.DER) for c in pkcs7.load_der_pkcs7_certificates(der)]
    except (ValueError, UnsupportedAlgorithm):
        return []


def _single(der: bytes) -> list[bytes]:
    try:
        return [x509.load_der_x509_certificate(der).public_bytes(Encoding.DER)]
    except ValueError:
        return []


def _zipped(raw: bytes) -> list[bytes]:
    found: list[bytes] = []
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as files:
            for info in files.infolist()[:_MOST_FILES]:
                with files.open(info) as file:
                    content = file.read(_MOST_BYTES)
                found += [] if content.startswith(_ZIP) else certificates(content)
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError, ValueError):
        return found
    return found
