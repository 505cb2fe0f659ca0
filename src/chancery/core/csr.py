"""Certificate requests (PKCS#10, RFC 2986), decoded once and completely, at the door and under limits."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from chancery.core import pem
from chancery.core.errors import Invalid, Problem
from chancery.core.keys import KeyFacts, check_key, describe_key
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
_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a request is looked at: `max_bytes` of input, `max_names` in it."""

    max_bytes: int = 65_536
    max_names: int = 100


@dataclass(frozen=True, slots=True)
class Request:
    """A request, decoded. `names` is canonical and includes the common name; `sha256` is over the DER."""

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
    if len(raw) > limits.max_bytes:
        raise _bad(f"It has {len(raw)} bytes; {limits.max_bytes} are the limit.", "Ask for fewer names.", "csr_size")
    der = _der(raw)
    try:
        return _decode(der, limits)
    except Invalid:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, OverflowError, KeyError):
        # From None: the cause may quote what was sent.
        raise _bad("It could not be decoded.", "Make the request anew with a current tool.", "csr_garbled") from None


def _der(raw: bytes) -> bytes:
    if b"PRIVATE KEY" in raw:
        raise _bad(
            "It holds a private key. It was not stored; treat that key as disclosed.",
            "Make a new key, keep it to yourself, and send only the certificate request.",
            "private_key",
        ) from None
    if b"-----BEGIN" not in raw:
        if raw[:1] != b"\x30":
            raise _bad("It is neither PEM nor DER.", "Paste the whole block with its BEGIN and END lines.", "csr_garbled")
        return raw
    blocks = pem.split(raw, "csr")
    if any(label == "CERTIFICATE" for label, _ in blocks):
        raise _bad("It is a certificate, not a certificate request.", "Send the request (CSR).", "not_a_csr")
    requests = [der for label, der in blocks if label in _LABELS]
    if len(blocks) != 1 or len(requests) != 1:
        raise _bad(f"It holds {len(requests)} requests.", "Send exactly one complete PEM block.", "csr_count")
    if pem.outside(raw):
        raise _bad("There is text around the PEM block.", "Send only the block.", "csr_trailing")
    return requests[0]


def _decode(der: bytes, limits: Limits) -> Request:
    csr = x509.load_der_x509_csr(der)
    if len(csr.public_bytes(Encoding.DER)) != len(der):
        raise _bad("There are bytes after its end.", "Send only the request.", "csr_trailing")
    hash_name = csr.signature_hash_algorithm.name if csr.signature_hash_algorithm else ""
    if hash_name in _WEAK_HASHES:
        raise _bad(f"It is signed with {hash_name.upper()}.", "Sign the request with SHA-256 or better.", "weak_hash")
    key = csr.public_key()
    problems = check_key(key)
    if problems:
        raise Invalid(problems)
    _verify(csr)
    common_name = _subject(csr)
    names = _names(csr, common_name, limits)
    algorithm = csr.signature_algorithm_oid._name  # noqa: SLF001  the library's only short name for it
    facts = describe_key(key)
    return Request(der, common_name or _first(names), names, facts, hashlib.sha256(der).hexdigest(), str(algorithm))


def _verify(csr: x509.CertificateSigningRequest) -> None:
    try:
        valid = csr.is_signature_valid
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        valid = False
    if not valid:
        raise _bad("Its signature does not match its key.", "Make the request anew with the right key.", "bad_signature")


def _subject(csr: x509.CertificateSigningRequest) -> str:
    common = ""
    for attribute in csr.subject:
        value = attribute.value
        text = value if isinstance(value, str) else value.decode("utf-8", "replace")
        if not text.isprintable() or any(unicodedata.bidirectional(c) in _BIDI for c in text):
            raise _bad("Its subject holds control or direction characters.", "Write the subject in plain text.", "bad_subject")
        if attribute.oid == NameOID.COMMON_NAME:
            if common:
                raise _bad("It has several common names.", "Use one, and list the others as DNS names.", "bad_subject")
            common = text
    return common


def _names(csr: x509.CertificateSigningRequest, common_name: str, limits: Limits) -> tuple[Name, ...]:
    found: list[Name] = []
    for extension in csr.extensions:
        oid = extension.oid.dotted_string
        if oid in _REFUSED_EXTENSIONS:
            raise _refused(_REFUSED_EXTENSIONS[oid])
        if extension.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
            found = _alternative(extension.value, limits)
        else:
            _check_extension(extension)
    for attribute in csr.attributes:
        _ = attribute.value
    if common_name:
        found.append(_common(common_name))
    if not found:
        raise _bad("It asks for no name.", "Put the names into the subject alternative name.", "no_names")
    names = canonical(found)
    if len(names) > limits.max_names:
        raise _bad(f"It asks for {len(names)} names; {limits.max_names} are the limit.", "Split it.", "too_many_names")
    return names


def _common(text: str) -> Name:
    try:
        kind = "ip" if _is_ip(text) else "dns"
        return parse_name(text, kind)
    except Invalid as error:
        raise Invalid([Problem("csr", p.message, "The common name must be a DNS name or address.", p.code) for p in error.problems]) from None


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _alternative(value: Any, limits: Limits) -> list[Name]:
    general = list(value)
    if len(general) > limits.max_names:
        raise _bad(f"It asks for {len(general)} names; {limits.max_names} are the limit.", "Split it.", "too_many_names")
    kinds = {x509.DNSName: "dns", x509.IPAddress: "ip", x509.RFC822Name: "email", x509.UniformResourceIdentifier: "uri"}
    found = []
    for name in general:
        kind = kinds.get(type(name))
        if kind is None:
            raise _refused(f"a name of the kind {type(name).__name__}")
        try:
            found.append(parse_name(str(name.value), kind))
        except Invalid as error:
            raise Invalid([Problem("csr", p.message, p.remedy, p.code) for p in error.problems]) from None
    return found


def _check_extension(extension: x509.Extension[Any]) -> None:
    value = extension.value
    if isinstance(value, x509.BasicConstraints) and value.ca:
        raise _refused("to be a CA")
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
    makers = {"dns": x509.DNSName, "email": x509.RFC822Name, "uri": x509.UniformResourceIdentifier}
    return makers[name.kind](name.value)



