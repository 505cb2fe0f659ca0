"""Certificates out of a file that a person brings: PEM, PKCS#7 (RFC 2315), DER; and the chain above each."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.core import pem
from chancery.core.certificate import CertificateFacts, facts
from chancery.core.decoding import UNREADABLE
from chancery.core.errors import Invalid

_CERTIFICATES = {"CERTIFICATE", "X509 CERTIFICATE", "PKCS7", "CMS"}
_UNSIGNED: tuple[type[Exception], ...] = (*UNREADABLE, InvalidSignature)
_LONGEST = 10


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file holds: certificates of subjects, those of CAs, and how many blocks could not be read."""

    leaves: tuple[CertificateFacts, ...]
    authorities: tuple[CertificateFacts, ...]
    unreadable: int


def read(data: bytes, most: int) -> Brought:
    """Return the certificates of a file, each once; raises `Invalid` on *file* where there are none, or too many."""
    if b"PRIVATE KEY-----" in data:
        raise _bad(
            "It holds a private key. It was not stored; treat that key as disclosed.",
            "Send only certificates.",
            "private_key",
        )
    parts = _parts(data)
    ders = [der for part in parts for der in part]
    if not ders:
        raise _bad("It holds no certificate.", "Send PEM, PKCS#7 (.p7b) or DER.", "no_certificate")
    found = [one for one in map(_facts, dict.fromkeys(ders)) if one is not None]
    if len(found) > most:
        raise _bad(f"It holds {len(found)} certificates; {most} are the limit.", "Split it.", "too_many")
    unreadable = sum(not part for part in parts) + len(set(ders)) - len(found)
    return Brought(tuple(one for one in found if not one.is_ca), tuple(one for one in found if one.is_ca), unreadable)


def _parts(data: bytes) -> list[list[bytes]]:
    if b"-----BEGIN" not in data:
        bare = _from_base64(data)
        return [_ders(data) or (_ders(bare) if bare else [])]
    blocks = pem.split(data, "certificates")
    # Other kinds of blocks, such as requests, are none of our business; one that was to be a certificate is.
    found = [_ders(der) for label, der in blocks if label in _CERTIFICATES]
    return found + [[]] * (pem.begun(data) - len(blocks))


def _ders(raw: bytes) -> list[bytes]:
    """Return the certificates of one block. What is called a certificate may be a PKCS#7: one CA writes it so."""
    try:
        return [x509.load_der_x509_certificate(raw).public_bytes(Encoding.DER)]
    except UNREADABLE:
        pass
    try:
        return [c.public_bytes(Encoding.DER) for c in pkcs7.load_der_pkcs7_certificates(raw)]
    except UNREADABLE:
        return []


def _from_base64(data: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _facts(der: bytes) -> CertificateFacts | None:
    try:
        return facts(der)
    except Invalid:
        return None


def _bad(message: str, remedy: str, code: str) -> Invalid:
    return Invalid.one("certificates", message, remedy, code)


class Chains:
    """Finds the issuers above certificates among some CA certificates; position among them means nothing."""

    def __init__(self, authorities: Iterable[bytes]) -> None:
        self._by_subject: dict[bytes, list[x509.Certificate]] = {}
        for der in authorities:
            loaded = x509.load_der_x509_certificate(der)
            self._by_subject.setdefault(loaded.subject.public_bytes(), []).append(loaded)

    def above(self, der: bytes) -> tuple[bytes, ...]:
        """Return the issuers of a certificate, nearest first, as far as they are known."""
        last, way = x509.load_der_x509_certificate(der), list[x509.Certificate]()
        while len(way) < _LONGEST:
            issuer = self._issuer(last, way)
            if issuer is None:
                break
            way.append(issuer)
            last = issuer
        return tuple(c.public_bytes(Encoding.DER) for c in way)

    def _issuer(self, child: x509.Certificate, way: Sequence[x509.Certificate]) -> x509.Certificate | None:
        if child.issuer == child.subject:
            return None
        offered = self._by_subject.get(child.issuer.public_bytes(), [])
        return next((c for c in offered if c not in way and _signed(child, c)), None)


def _signed(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except _UNSIGNED:
        return False
    return True
