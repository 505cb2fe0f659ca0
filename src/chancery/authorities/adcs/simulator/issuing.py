"""What this CA signs: certificates, its own certificates of several renewals, CRLs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.sandbox.certsrv import Template
from chancery.sandbox.enrolment import EnrolmentCa, other_key

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_KINDS: dict[str, Any] = {"dns": x509.DNSName, "email": x509.RFC822Name, "uri": x509.UniformResourceIdentifier}


class Issuer:
    """The CA's key with its certificates: index 0 is the first, each renewal adds one. `name` is its common name."""

    def __init__(self, now: datetime, name: str) -> None:
        self.name = name
        self.renewals = [self._made(now)]

    def _made(self, now: datetime) -> EnrolmentCa:
        return EnrolmentCa(now, issuing=self.name)

    def renew(self, now: datetime) -> None:
        """Make the CA's certificate anew, with the same key."""
        self.renewals.append(self._made(now))

    def issue(
        self, csr: x509.CertificateSigningRequest, template: Template, now: datetime, *, days: int = 0, **wrong: object
    ) -> x509.Certificate:
        """Return a certificate for a request. `wrong_key`, `wrong_name` and `extra` names change it, as faults do."""
        newest = self.renewals[-1]
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(newest.key.public_key()), False),
        ]
        names = _names(csr, str(wrong.get("extra") or ""))
        if wrong.get("wrong_name"):
            names = [x509.DNSName("somebody-else.example")]
        if names:
            extensions.append((x509.SubjectAlternativeName(names), False))
        if template.usages:
            extensions.append((x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, template.usages)), False))
        builder = (
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .issuer_name(newest.name)
            .public_key(other_key() if wrong.get("wrong_key") else csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _MINUTE)
            .not_valid_after(now + timedelta(days=days or template.days) - _MINUTE)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(newest.key, hashes.SHA256())

    def bundle(self, leaf: x509.Certificate | None, renewal: int, how: str = "") -> bytes:
        """Return a PKCS#7 bundle (DER) of a chain; `how` is the common dial chain: missing, shuffled or ''."""
        ca = self.renewals[renewal]
        whole = [*([leaf] if leaf else []), ca.issuing, ca.root]
        if how == "shuffled":
            whole.reverse()
        if how == "missing":
            whole = whole[:1] if leaf else [ca.root]
        return pkcs7.serialize_certificates(whole, Encoding.DER)

    def crl(self, now: datetime, revoked: Iterable[tuple[x509.Certificate, datetime]], *, stale: bool) -> bytes:
        """Return the base CRL (DER), next due in a week; or, where `stale`, since yesterday."""
        newest = self.renewals[-1]
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(newest.name)
            .last_update(now - 8 * _DAY if stale else now - _MINUTE)
            .next_update(now - _DAY if stale else now + 7 * _DAY)
        )
        for certificate, when in revoked:
            one = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(when)
            builder = builder.add_revoked_certificate(one.build())
        return builder.sign(newest.key, hashes.SHA256()).public_bytes(Encoding.DER)


def old_certificate(issuer: Issuer, template: Template, now: datetime) -> x509.Certificate:
    """Return a certificate of somebody else's, for the rows that a CA has from before."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "before.example.com")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return issuer.issue(csr, template, now)


def _names(csr: x509.CertificateSigningRequest, extra: str) -> list[x509.GeneralName]:
    found = [e.value for e in csr.extensions if isinstance(e.value, x509.SubjectAlternativeName)]
    names: list[x509.GeneralName] = list(found[0]) if found else []
    for pair in filter(None, extra.split("&")):
        kind, _, value = pair.partition("=")
        names.append(x509.IPAddress(ip_address(value)) if kind == "ipaddress" else _KINDS[kind.lower()](value))
    return names
