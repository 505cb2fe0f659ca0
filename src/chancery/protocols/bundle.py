"""Picks the certificate that was asked for, and the issuers above it, out of what a CA sent in any order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.core.certificate import facts, spki_of
from chancery.core.decoding import UNREADABLE
from chancery.core.errors import Invalid

_UNSIGNED: tuple[type[Exception], ...] = (*UNREADABLE, InvalidSignature)
_LONGEST = 10


def pick(ders: Iterable[bytes], key_sha256: str) -> tuple[bytes | None, tuple[bytes, ...]]:
    """Return the certificate for a public key (SHA-256 of its SPKI, hex), and all others.

    Where there is none, the first one that is not a CA's stands in: the engine holds it against the order, says what is
    wrong with it, and keeps it from everybody. None where there is not even that.
    """
    found = list(dict.fromkeys(ders))
    leaf = next((d for d in found if spki_of(d) == key_sha256), None)
    if leaf is None:
        leaf = next((d for d in found if not _is_ca(d)), None)
    return leaf, tuple(d for d in found if d != leaf)


def climb(leaf: bytes, pool: Sequence[bytes]) -> tuple[tuple[bytes, ...], bool]:
    """Return the issuers above a certificate, nearest first, and whether the last of them is a root.

    Position and number in `pool` mean nothing; what did not sign anything on the way is left out.
    """
    certificates = [c for c in map(_load, dict.fromkeys(pool)) if c is not None]
    last, way = _load(leaf), list[bytes]()
    while last is not None and not _signed(last, last) and len(way) < _LONGEST:
        above = [c for c in certificates if _signed(last, c)]
        # Where a root and its cross-certificate both fit, the shorter way is the one to deploy.
        last = next((c for c in above if _signed(c, c)), above[0] if above else None)
        if last is not None:
            way.append(last.public_bytes(Encoding.DER))
    return tuple(way), last is not None and _signed(last, last)


def _load(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        return None


def _signed(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except _UNSIGNED:
        return False
    return True


def _is_ca(der: bytes) -> bool:
    try:
        return facts(der).is_ca
    except Invalid:
        return False


def serial(der: bytes) -> str:
    """Return a certificate's serial number (lower-case hex), by which people find it at their CA; '' if unreadable."""
    try:
        return facts(der).serial
    except Invalid:
        return ""
