"""What a CA sent back, and whether it is what was asked for (RFC 5280)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from chancery.core.decoding import UNREADABLE
from chancery.core.errors import ChanceryError, Invalid, Problem
from chancery.core.keys import KeyFacts, describe_key, signature_label, spki_sha256
from chancery.core.lean import Lean
from chancery.core.names import Name, canonical, parse_name

_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "dns",
    x509.IPAddress: "ip",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "uri",
}
_UNSIGNED: tuple[type[Exception], ...] = (*UNREADABLE, InvalidSignature, x509.ExtensionNotFound)
_TOLERANCE = timedelta(days=1)
_SKEW = timedelta(hours=1)


class Mismatch(ChanceryError):
    """The certificate is not what was ordered: it is quarantined, never deployed."""

    code = "mismatch"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(p.message for p in problems), remedy="Ask the CA why, and order anew.")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class CertificateFacts(Lean):
    """A certificate, decoded once.

    `serial`, `sha256` and the key ids are lower-case hex (a key id that is not there is empty), times
    are aware UTC, `signature_algorithm` is a label such as ecdsa-with-sha256. `names` are those of the
    subject alternative name alone; one that we would never ask for keeps its text under its kind.
    """

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
    authority_key_id: str
    subject_key_id: str
    crl_urls: tuple[str, ...]
    ocsp_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What was asked for, to hold a certificate against.

    `companions` says that the CA may add, for a name, the same one with or without `www.`, as some do for free.
    """

    spki_sha256: str
    names: tuple[Name, ...]
    now: datetime
    not_after_max: datetime | None = None
    allow_extra_names: bool = False
    companions: bool = False


def facts(der: bytes) -> CertificateFacts:
    """Return what a certificate says; raises `Invalid` where it cannot be decoded completely."""
    try:
        return _facts(der, x509.load_der_x509_certificate(der))
    except UNREADABLE:
        raise Invalid.one("certificate", "The certificate cannot be decoded.", "Ask the CA for it again.") from None


def _facts(der: bytes, cert: x509.Certificate) -> CertificateFacts:
    # Nothing signs the octet before the signature, which counts unused bits: every algorithm here leaves none.
    if cert.serial_number <= 0 or der[-len(cert.signature) - 1]:
        raise ValueError
    found = {type(extension.value): extension.value for extension in cert.extensions}
    constraints: Any = found.get(x509.BasicConstraints)
    authority: Any = found.get(x509.AuthorityKeyIdentifier)
    subject: Any = found.get(x509.SubjectKeyIdentifier)
    return CertificateFacts(
        der=der,
        serial=f"{cert.serial_number:x}",
        issuer=_distinguished(cert.issuer),
        subject=_distinguished(cert.subject),
        common_name=_common_name(cert),
        names=canonical(_name(n) for n in _listed(found.get(x509.SubjectAlternativeName))),
        not_before=cert.not_valid_before_utc,
        not_after=cert.not_valid_after_utc,
        key=describe_key(cert.public_key()),
        sha256=hashlib.sha256(der).hexdigest(),
        signature_algorithm=signature_label(cert.signature_algorithm_oid),
        is_ca=bool(constraints and constraints.ca),
        authority_key_id=((authority and authority.key_identifier) or b"").hex(),
        subject_key_id=(subject.digest if subject else b"").hex(),
        crl_urls=tuple(str(u.value) for p in _listed(found.get(x509.CRLDistributionPoints)) for u in p.full_name or ()),
        ocsp_urls=tuple(_responders(_listed(found.get(x509.AuthorityInformationAccess)))),
    )


def _listed(value: Any) -> Iterable[Any]:
    return value or ()


def _responders(descriptions: Iterable[x509.AccessDescription]) -> Iterable[str]:
    wanted = AuthorityInformationAccessOID.OCSP
    return (str(d.access_location.value) for d in descriptions if d.access_method == wanted)


@lru_cache(maxsize=1024)
def _distinguished(name: x509.Name) -> str:
    return name.rfc4514_string()


def _name(name: x509.GeneralName) -> Name:
    kind = _KINDS.get(type(name), "other")
    try:
        return parse_name(str(name.value), kind)
    except Invalid:
        return Name(kind, ascii(name.value)[:200])


def _common_name(cert: x509.Certificate) -> str:
    found = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)[:255] if found else ""


def check_issued(leaf: bytes, chain: Sequence[bytes], expected: Expected) -> tuple[CertificateFacts, tuple[bytes, ...]]:
    """Return the leaf's facts and the chain put in order, issuer of the leaf first.

    Raises `Mismatch` naming everything that is not as ordered: key, names, dates, issuer, signature.
    """
    return check_decoded(decode(leaf, chain), expected)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A CA's answer, decoded and not yet checked."""

    facts: CertificateFacts
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...]


def decode(leaf: bytes, chain: Sequence[bytes]) -> Decoded:
    """Return a CA's answer decoded; raises `Mismatch` where it cannot be."""
    try:
        cert = x509.load_der_x509_certificate(leaf)
        return Decoded(_facts(leaf, cert), cert, _issuers(tuple(chain)))
    except UNREADABLE:
        problem = Problem("certificate", "The CA's answer holds a certificate that cannot be decoded.", "", "garbled")
        raise Mismatch([problem]) from None


def check_decoded(found: Decoded, expected: Expected) -> tuple[CertificateFacts, tuple[bytes, ...]]:
    """Return what `check_issued` does, of an answer that is decoded already."""
    problems = _compare(found.facts, expected)
    ordered, broken = _order(found.certificate, found.issuers)
    problems += broken
    if problems:
        raise Mismatch(problems)
    return found.facts, ordered


def _compare(found: CertificateFacts, expected: Expected) -> list[Problem]:
    return [
        Problem(field, f"{text}.", "Do not use it. Ask the CA why, and have it revoked.", code)
        for field, text, code in (*_other_key_or_names(found, expected), *_other_dates(found, expected))
    ]


def _other_key_or_names(found: CertificateFacts, expected: Expected) -> Iterator[tuple[str, str, str]]:
    if found.key.spki_sha256 != expected.spki_sha256:
        yield "key", "It is for another key than the request's", "wrong_key"
    if found.is_ca:
        yield "certificate", "It is a CA certificate", "is_ca"
    if found.names == expected.names:
        return
    missing = set(expected.names) - set(found.names)
    extra = set(found.names) - set(expected.names) - (_companions(expected.names) if expected.companions else set())
    if missing:
        yield "names", f"It lacks the names {_list(missing)}", "missing_names"
    if extra and not expected.allow_extra_names:
        yield "names", f"It also has the names {_list(extra)}", "extra_names"


def _companions(names: Iterable[Name]) -> set[Name]:
    hosts = [n.value for n in names if n.kind == "dns"]
    return {Name("dns", other) for host in hosts for other in (f"www.{host}", host.removeprefix("www."))}


def _other_dates(found: CertificateFacts, expected: Expected) -> Iterator[tuple[str, str, str]]:
    if found.not_after <= expected.now:
        yield "validity", f"It has expired on {found.not_after:%Y-%m-%d}", "expired"
    if found.not_before > expected.now + _SKEW:
        yield "validity", f"It is not valid before {found.not_before:%Y-%m-%d %H:%M} UTC", "not_yet_valid"
    if expected.not_after_max is not None and found.not_after > expected.not_after_max + _TOLERANCE:
        yield "validity", f"It is valid until {found.not_after:%Y-%m-%d}, longer than was asked for", "too_long"


def _list(names: Iterable[Name]) -> str:
    return ", ".join(n.value for n in sorted(names)[:5])


@lru_cache(maxsize=256)
def _issuers(chain: tuple[bytes, ...]) -> tuple[x509.Certificate, ...]:
    return tuple(dict.fromkeys(x509.load_der_x509_certificate(der) for der in chain))


def _order(leaf: x509.Certificate, issuers: tuple[x509.Certificate, ...]) -> tuple[tuple[bytes, ...], list[Problem]]:
    first = next((c for c in issuers if c != leaf and _signed(leaf, c)), None)
    if first is None:
        return (), [_broken("The CA sent no certificate that signed it", "no_issuer")]
    ordered, unused, authorities = _climb(first, issuers)
    if not authorities:
        return (), [_broken("A certificate that signed it, or signed its issuer, is not a CA's", "issuer_not_ca")]
    if unused - {leaf}:
        return (), [_broken("Its chain has a gap: a certificate between its issuer and the root is missing", "gap")]
    return ordered, []


def _broken(text: str, code: str) -> Problem:
    return Problem("chain", f"{text}.", "Have the chain at the CA (or in the connector's settings) put right.", code)


@lru_cache(maxsize=256)
def _climb(
    first: x509.Certificate, issuers: tuple[x509.Certificate, ...]
) -> tuple[tuple[bytes, ...], frozenset[x509.Certificate], bool]:
    """Return the chain from `first` on, what a gap leaves over, and whether all of it are CAs.

    Kept by the certificates themselves: thousands of leaves share one chain, and its signatures are
    verified once. A chain that ends in a root has no gap, whatever else (cross-certificates) came with it.
    """
    ordered = [first]
    while not _is_root(ordered[-1]):
        above = [c for c in issuers if c not in ordered and _signed(ordered[-1], c)]
        if not above:
            break
        # Where a root and its cross-certificate both fit, the shorter way is the one to deploy.
        ordered.append(next((c for c in above if _is_root(c)), above[0]))
    unused = frozenset() if _is_root(ordered[-1]) else frozenset(issuers) - frozenset(ordered)
    ders = tuple(c.public_bytes(Encoding.DER) for c in ordered)
    return ders, unused, all(_is_authority(c) for c in ordered)


def _is_root(cert: x509.Certificate) -> bool:
    return cert.issuer == cert.subject and _signed(cert, cert)


def _signed(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except _UNSIGNED:
        return False
    return True


def _is_authority(cert: x509.Certificate) -> bool:
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except _UNSIGNED:
        return False


def spki_of(der: bytes) -> str:
    """Return the SHA-256 of a certificate's public key; '' where it cannot be decoded."""
    try:
        return spki_sha256(x509.load_der_x509_certificate(der))
    except UNREADABLE:
        return ""
