"""Certificate requests (PKCS#10, RFC 2986), decoded once and completely, at the door and under limits."""

from __future__ import annotations

import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chancery.core import pem
from chancery.core.decoding import UNREADABLE
from chancery.core.errors import Invalid, Problem
from chancery.core.keys import KeyFacts, check_key, describe_key, signature_label
from chancery.core.names import Name, canonical, parse_name

_LABELS = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}
_WEAK_HASHES = {"md5", "sha1", "md4", "md2"}
_REFUSED_EXTENSIONS = {
    "1.3.6.1.4.1.311.25.2": "a Windows security identifier",
    "1.3.6.1.4.1.311.20.2": "a certificate template name",
    "1.3.6.1.4.1.311.21.7": "a certificate template",
    "1.3.6.1.4.1.311.21.10": "Windows application policies",
}
_REFUSED_USES = {"2.5.29.37.0": "any purpose", "1.3.6.1.4.1.311.20.2.2": "smart card logon"}
_KINDS = {
    x509.DNSName: "dns",
    x509.IPAddress: "ip",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "uri",
}
_HASHLESS = {"ed25519", "ed448", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"}
_SEQUENCE, _LONG_FORM = 0x30, 0x80
_ADDRESS = re.compile(r"[0-9.]+\Z|[0-9A-Fa-f.]*:")
_CN_REMEDY = "The common name must be a DNS name or an IP address, or left out."


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a request is looked at: `max_bytes` of input, `max_names` in it."""

    max_bytes: int = 65_536
    max_names: int = 100


@dataclass(frozen=True, slots=True)
class Request:
    """A request, decoded. `names` is canonical and includes the common name; `sha256` is over the DER.

    A request without common name gets its first DNS name as one (else its first name), because many
    CAs want one. `signature_algorithm` is a label such as ecdsa-with-sha256.
    """

    der: bytes
    common_name: str
    names: tuple[Name, ...]
    key: KeyFacts
    sha256: str
    signature_algorithm: str


def parse(data: bytes | str, limits: Limits | None = None) -> Request:
    """Return the one request in `data` (PEM or DER); raises `Invalid` on field *csr* with the remedy."""
    limits = limits or Limits()
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    # Editors of Windows put it before a text, and nobody sees it there.
    raw = raw.removeprefix(BOM_UTF8)
    if len(raw) > limits.max_bytes:
        raise _bad(f"It has {len(raw)} bytes; {limits.max_bytes} are the limit.", "Ask for fewer names.", "csr_size")
    der = _der(raw)
    try:
        return _decode(der, limits)
    except UNREADABLE:
        # From None: the cause may quote what was sent.
        raise _bad("It could not be decoded.", "Make the request anew with a current tool.", "csr_garbled") from None


def _der(raw: bytes) -> bytes:
    if b"PRIVATE KEY" in raw:
        raise _bad(
            "It holds a private key. It was not stored; treat that key as disclosed.",
            "Make a new key, keep it to yourself, and send only the certificate request.",
            "private_key",
        )
    return _from_pem(raw) if b"-----BEGIN" in raw else _from_der(raw)


def _from_der(raw: bytes) -> bytes:
    length = der_length(raw)
    if length is None or length > len(raw):
        raise _bad("It is neither PEM nor DER.", "Paste the whole block with its BEGIN and END lines.", "csr_garbled")
    if length < len(raw):
        raise _bad("There are bytes after its end.", "Send only the request.", "csr_trailing")
    return raw


def _from_pem(raw: bytes) -> bytes:
    blocks = pem.split(raw, "csr")
    if any(label == "CERTIFICATE" for label, _ in blocks):
        raise _bad("It is a certificate, not a certificate request.", "Send the request (CSR).", "not_a_csr")
    requests = [der for label, der in blocks if label in _LABELS]
    if len(blocks) != 1 or len(requests) != 1:
        raise _bad(f"It holds {len(requests)} requests.", "Send exactly one complete PEM block.", "csr_count")
    if pem.outside(raw):
        raise _bad("There is text around the PEM block.", "Send only the block.", "csr_trailing")
    return _from_der(requests[0])


def der_length(raw: bytes) -> int | None:
    """Return how long the outer DER SEQUENCE says it is, header included; `None` if it is none (X.690 8.1.3)."""
    if len(raw) < 2 or raw[0] != _SEQUENCE:
        return None
    first = raw[1]
    if first < _LONG_FORM:
        return 2 + first
    octets = first - _LONG_FORM
    return 2 + octets + int.from_bytes(raw[2 : 2 + octets], "big") if octets else None


def _decode(der: bytes, limits: Limits) -> Request:
    csr = _load(der)
    # Bits left over at the end of a signature change no octet of it, so that one request would have several forms.
    if der[-len(csr.signature) - 1]:
        raise _bad(
            "Its signature is not a whole number of octets.",
            "Make the request anew with a current tool.",
            "csr_garbled",
        )
    key = csr.public_key()
    # Before the signature: what is refused is named, and no time goes into checking with a key of any size.
    problems = check_key(key)
    if problems:
        raise Invalid(problems)
    _signature(csr, key)
    common_name = _subject(csr)
    names = _names(csr, common_name, limits)
    return Request(
        der=der,
        common_name=common_name.lower() or _first(names),
        names=names,
        key=describe_key(key),
        sha256=hashlib.sha256(der).hexdigest(),
        signature_algorithm=signature_label(csr.signature_algorithm_oid),
    )


def _load(der: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_der_x509_csr(der)
    except UNREADABLE:
        with suppress(ValueError):
            x509.load_der_x509_certificate(der)
            raise _bad("It is a certificate.", "Send the certificate request (CSR).", "not_a_csr") from None
        raise


def _signature(csr: x509.CertificateSigningRequest, key: Any) -> None:
    label = signature_label(csr.signature_algorithm_oid)
    hash_algorithm = None if label in _HASHLESS else csr.signature_hash_algorithm
    if hash_algorithm is not None and hash_algorithm.name in _WEAK_HASHES:
        name = hash_algorithm.name.upper()
        raise _bad(f"It is signed with {name}.", "Sign the request with SHA-256 or better.", "weak_hash")
    if not _is_signature_valid(csr, key, hash_algorithm):
        raise _bad(
            "Its signature does not match its key.", "Make the request anew with the right key.", "bad_signature"
        )


def _is_signature_valid(csr: x509.CertificateSigningRequest, key: Any, hash_algorithm: Any) -> bool:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return csr.is_signature_valid
    # The library's own check decodes the key once more; elliptic curves are what comes in thousands.
    try:
        key.verify(csr.signature, csr.tbs_certrequest_bytes, ec.ECDSA(hash_algorithm))
    except InvalidSignature:
        return False
    return True


def _subject(csr: x509.CertificateSigningRequest) -> str:
    found: list[str] = []
    for attribute in csr.subject:
        value = attribute.value
        text = value if isinstance(value, str) else value.decode("utf-8", "replace")
        # Control and direction characters (and unassigned ones) are what `isprintable` says no to.
        if not text.isprintable():
            raise _bad(
                "Its subject holds control or direction characters.", "Write the subject in plain text.", "bad_subject"
            )
        if attribute.oid == NameOID.COMMON_NAME:
            found.append(text)
    if len(found) > 1:
        raise _bad("It has several common names.", "Use one, and list the others as DNS names.", "bad_subject")
    return found[0] if found else ""


def _names(csr: x509.CertificateSigningRequest, common_name: str, limits: Limits) -> tuple[Name, ...]:
    found = [_name(common_name, _common_kind(common_name), _CN_REMEDY)] if common_name else []
    for extension in csr.extensions:
        _check_extension(extension)
        if isinstance(extension.value, x509.SubjectAlternativeName):
            found += _alternative(extension.value, limits)
    for attribute in csr.attributes:
        del attribute  # reading is the point: each is decoded here and now, or the request is refused
    if not found:
        raise _bad("It asks for no name.", "Put the names into the subject alternative name.", "no_names")
    return canonical(found)


def _common_kind(text: str) -> str:
    return "ip" if _ADDRESS.match(text) else "dns"


def _alternative(value: x509.SubjectAlternativeName, limits: Limits) -> list[Name]:
    general = list(value)
    if len(general) > limits.max_names:
        raise _bad(
            f"It asks for {len(general)} names; {limits.max_names} are the limit.",
            "Split the names over several requests.",
            "too_many_names",
        )
    return [_general(name) for name in general]


def _general(name: x509.GeneralName) -> Name:
    kind = _KINDS.get(type(name))
    if kind is None:
        raise _refused(f"a name of the kind {type(name).__name__}")
    return _name(str(name.value), kind, "")


def _name(text: str, kind: str | None, remedy: str) -> Name:
    try:
        return parse_name(text, kind)
    except Invalid as error:
        problems = [Problem("csr", p.message, remedy or p.remedy, p.code) for p in error.problems]
        raise Invalid(problems) from None


def _check_extension(extension: x509.Extension[Any]) -> None:
    value = extension.value
    refused = _REFUSED_EXTENSIONS.get(extension.oid.dotted_string)
    if refused:
        raise _refused(refused)
    if isinstance(value, x509.BasicConstraints) and value.ca:
        raise _refused("the right to be a CA")
    if isinstance(value, x509.ExtendedKeyUsage):
        for use in value:
            if use.dotted_string in _REFUSED_USES:
                raise _refused(f"the use {_REFUSED_USES[use.dotted_string]!r}")


def _first(names: tuple[Name, ...]) -> str:
    return next((n.value for n in names if n.kind == "dns"), names[0].value)


def _refused(what: str) -> Invalid:
    return _bad(f"It asks for {what}, which is never given.", "Make the request without it.", "refused_extension")


def _bad(message: str, remedy: str, code: str) -> Invalid:
    return Invalid.one("csr", f"The certificate request cannot be used. {message}", remedy, code)


def build(key: Any, names: Iterable[Name], common_name: str | None = None) -> bytes:
    """Return a request (DER) for some names, signed with the caller's private key."""
    general = [general_name(name) for name in names]
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=not subject)
    algorithm = hashes.SHA256() if isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)) else None
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def general_name(name: Name) -> x509.GeneralName:
    """Return a name as the X.509 library writes it into an extension."""
    if name.kind == "ip":
        return x509.IPAddress(ip_address(name.value))
    makers: dict[str, Callable[[str], x509.GeneralName]] = {
        "dns": x509.DNSName,
        "email": x509.RFC822Name,
        "uri": x509.UniformResourceIdentifier,
    }
    return makers[name.kind](name.value)
