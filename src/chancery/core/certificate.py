"""What a CA sent back, and whether it is what was asked for (RFC 5280)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from chancery.core.errors import ChanceryError, Invalid, Problem
from chancery.core.keys import KeyFacts, describe_key, spki_sha256
from chancery.core.names import Name, canonical

_KINDS: dict[type, str] = {
    x509.DNSName: "dns",
    x509.IPAddress: "ip",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "uri",
}
_LATE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, OverflowError)
_TOLERANCE = timedelta(days=1)
_SKEW = timedelta(hours=1)


class Mismatch(ChanceryError):
    """The certificate is not what was ordered: it is quarantined, never deployed."""

    code = "mismatch"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(p.message for p in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate, decoded once. `serial` is lower-case hex; times are aware UTC."""

    der: bytes
    serial: str
    issuer: str
    subject: str
    common_name: str
    names: tuple[Name, ...]
    not_before: datetime
    not_after: datetime
    key: KeyFacts
    sha256: str
    signature_algorithm: str
    is_ca: bool
    crl_urls: tuple[str, ...]
    ocsp_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What was asked for, to hold a certificate against."""

    spki_sha256: str
    names: tuple[Name, ...]
    now: datetime
    not_after_max: datetime | None = None
    allow_extra_names: bool = False


def facts(der: bytes) -> CertificateFacts:
    """Return what a certificate says; raises `Invalid` where it cannot be decoded completely."""
    try:
        return _facts(der, x509.load_der_x509_certificate(der))
    except _LATE:
        raise Invalid.one("certificate", "The certificate cannot be decoded.", "Ask the CA for it again.") from None


def _facts(der: bytes, cert: x509.Certificate) -> CertificateFacts:
    names: tuple[Name, ...] = ()
    is_ca, crls, ocsps = False, (), ()
    for extension in cert.extensions:
        value: Any = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            names = canonical(Name(_KINDS.get(type(n), "other"), str(n.value).lower()) for n in value)
        elif isinstance(value, x509.BasicConstraints):
            is_ca = value.ca
        elif isinstance(value, x509.CRLDistributionPoints):
            crls = tuple(str(u.value) for p in value for u in p.full_name or ())
        elif isinstance(value, x509.AuthorityInformationAccess):
            wanted = AuthorityInformationAccessOID.OCSP
            ocsps = tuple(str(d.access_location.value) for d in value if d.access_method == wanted)
    return CertificateFacts(
        der=der,
        serial=f"{cert.serial_number:x}",
        issuer=cert.issuer.rfc4514_string(),
        subject=cert.subject.rfc4514_string(),
        common_name=_common_name(cert),
        names=names,
        not_before=cert.not_valid_before_utc,
        not_after=cert.not_valid_after_utc,
        key=describe_key(cert.public_key()),
        sha256=hashlib.sha256(der).hexdigest(),
        signature_algorithm=cert.signature_algorithm_oid.dotted_string,
        is_ca=is_ca,
        crl_urls=crls,
        ocsp_urls=ocsps,
    )


def _common_name(cert: x509.Certificate) -> str:
    found = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)[:255] if found else ""


def check_issued(
    leaf: bytes, chain: Sequence[bytes], expected: Expected
) -> tuple[CertificateFacts, tuple[bytes, ...]]:
    """Return the leaf's facts and the chain put in order, issuer of the leaf first.

    Raises `Mismatch` naming everything that is not as ordered: key, names, dates, issuer, signature.
    """
    try:
        cert = x509.load_der_x509_certificate(leaf)
        found = _facts(leaf, cert)
        issuers = _issuers(tuple(chain))
    except (*_LATE, Invalid):
        problem = Problem("certificate", "The CA's answer holds a certificate that cannot be decoded.", "", "garbled")
        raise Mismatch([problem]) from None
    problems = _compare(found, expected)
    ordered, broken = _order(cert, issuers)
    problems += broken
    if problems:
        raise Mismatch(problems)
    return found, ordered


def _compare(found: CertificateFacts, expected: Expected) -> list[Problem]:
    problems = []
    if found.key.spki_sha256 != expected.spki_sha256:
        problems.append(Problem("key", "It is for another key than the request's.", "", "wrong_key"))
    missing = set(expected.names) - set(found.names)
    if missing:
        problems.append(Problem("names", f"It lacks {_list(missing)}.", "", "missing_names"))
    extra = set(found.names) - set(expected.names)
    if extra and not expected.allow_extra_names:
        problems.append(Problem("names", f"It also names {_list(extra)}.", "", "extra_names"))
    if found.is_ca:
        problems.append(Problem("certificate", "It is a CA certificate.", "", "is_ca"))
    if found.not_after <= expected.now or found.not_before > expected.now + _SKEW:
        problems.append(Problem("validity", "It is not valid now.", "", "not_valid_now"))
    if expected.not_after_max is not None and found.not_after > expected.not_after_max + _TOLERANCE:
        problems.append(Problem("validity", "It is valid for longer than was asked for.", "", "too_long"))
    return problems


def _list(names: set[Name]) -> str:
    return ", ".join(n.value for n in sorted(names)[:5])


@lru_cache(maxsize=256)
def _issuers(chain: tuple[bytes, ...]) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_der_x509_certificate(der) for der in chain)


def _order(
    leaf: x509.Certificate, issuers: tuple[x509.Certificate, ...]
) -> tuple[tuple[bytes, ...], list[Problem]]:
    first = next((c for c in issuers if _signed(leaf, c)), None)
    if first is None:
        return (), [Problem("chain", "No certificate of the chain signed it.", "", "no_issuer")]
    ordered = _climb(first, issuers)
    if any(not _is_authority(c) for c in ordered):
        return (), [Problem("chain", "A certificate of the chain is not a CA's.", "", "issuer_not_ca")]
    return tuple(_der(c) for c in ordered), []


@lru_cache(maxsize=256)
def _climb(first: x509.Certificate, issuers: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    ordered = [first]
    while ordered[-1].issuer != ordered[-1].subject:
        above = next((c for c in issuers if c not in ordered and _signed(ordered[-1], c)), None)
        if above is None:
            break
        ordered.append(above)
    return tuple(ordered)


def _signed(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


@lru_cache(maxsize=256)
def _is_authority(cert: x509.Certificate) -> bool:
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *_LATE):
        return False


@lru_cache(maxsize=256)
def _der(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(Encoding.DER)


def spki_of(der: bytes) -> str:
    """Return the SHA-256 of a certificate's public key; '' where it cannot be decoded."""
    try:
        return spki_sha256(x509.load_der_x509_certificate(der))
    except _LATE:
        return ""
