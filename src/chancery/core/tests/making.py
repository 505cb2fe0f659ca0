"""Certificates and requests for tests, made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chancery.core.keys import generate

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Extensions = list[tuple[x509.ExtensionType, bool]]


@dataclass(frozen=True)
class Holder:
    """A key with the certificate that names it."""

    key: Any
    cert: x509.Certificate

    @property
    def der(self) -> bytes:
        """Return the certificate's DER."""
        return self.cert.public_bytes(Encoding.DER)


@cache
def key_of(label: str, which: int = 0) -> Any:
    """Return a key, the same one each time for the same `which`: RSA keys are slow to make."""
    del which
    return generate(label)


def distinguished(common_name: str) -> x509.Name:
    """Return a subject with a common name alone; empty for ''."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def hash_for(key: Any) -> hashes.SHA256 | None:
    """Return the hash that a key's signatures need."""
    return hashes.SHA256() if isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)) else None


def certify(
    common_name: str,
    *,
    key: Any,
    issuer: Holder | None = None,
    ca: bool | None = None,
    extensions: Extensions | None = None,
    not_before: datetime = NOW - timedelta(hours=1),
    not_after: datetime = NOW + timedelta(days=90),
    issuer_name: str = "",
) -> Holder:
    """Return a certificate, self-signed without `issuer`."""
    signer = issuer.key if issuer else key
    above = issuer.cert.subject if issuer else distinguished(issuer_name or common_name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished(common_name))
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    for value, critical in extensions or []:
        builder = builder.add_extension(value, critical=critical)
    return Holder(key, builder.sign(signer, hash_for(signer)))


def san(*names: x509.GeneralName) -> Extensions:
    """Return a subject alternative name as the one extension."""
    return [(x509.SubjectAlternativeName(list(names)), False)]


def dns(*names: str) -> Extensions:
    """Return DNS names as the one extension."""
    return san(*(x509.DNSName(name) for name in names))


def request(
    key: Any,
    subject: x509.Name | str = "",
    extensions: Extensions | None = None,
    attributes: list[tuple[x509.ObjectIdentifier, bytes]] | None = None,
) -> bytes:
    """Return a request (DER) with whatever is asked for, sane or not."""
    name = distinguished(subject) if isinstance(subject, str) else subject
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for value, critical in extensions or []:
        builder = builder.add_extension(value, critical=critical)
    for oid, attribute in attributes or []:
        builder = builder.add_attribute(oid, attribute)
    return builder.sign(key, hash_for(key)).public_bytes(Encoding.DER)
