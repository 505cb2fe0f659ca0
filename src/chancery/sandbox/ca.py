"""A throw-away CA for simulators."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)


class SandboxCa:
    """A root and an intermediate on P-256, living only in memory; an older root vouches for the root as well.

    `root` and `intermediate` are common names of their own, for what is told by the name of an issuer.
    """

    def __init__(self, now: datetime, name: str = "Sandbox", *, root: str = "", intermediate: str = "") -> None:
        root_key, self._key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root_name, self._name = _name(root or f"{name} Root"), _name(intermediate or f"{name} Intermediate")
        self.root = _ca(root_name, root_key.public_key(), root_name, root_key, now, 1)
        self.intermediate = _ca(self._name, self._key.public_key(), root_name, root_key, now, 0)
        old_key, old_name = ec.generate_private_key(ec.SECP256R1()), _name(f"{name} Old Root")
        self.old_root = _ca(old_name, old_key.public_key(), old_name, old_key, now, 2)
        self.cross = _ca(root_name, root_key.public_key(), old_name, old_key, now, 1)

    def issue(self, key: Any, common_name: str, names: list[str], now: datetime, days: int) -> x509.Certificate:
        """Return a TLS certificate for a public key and DNS names, from a minute ago and for `days` from then."""
        return self.issue_until(key, common_name, names, now, now + timedelta(days=days) - timedelta(minutes=1))

    def issue_until(
        self, key: Any, common_name: str, names: list[str], now: datetime, until: datetime
    ) -> x509.Certificate:
        """Return a TLS certificate for a public key and DNS names or IP addresses, from a minute ago."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name[:64]))
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(until)
            .add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())

    def chain(self, leaf: x509.Certificate) -> list[x509.Certificate]:
        """Return leaf, intermediate and root."""
        return [leaf, self.intermediate, self.root]

    def crossed(self, leaf: x509.Certificate) -> list[x509.Certificate]:
        """Return the longer chain to an older root, through a cross-certificate: four certificates."""
        return [leaf, self.intermediate, self.cross, self.old_root]


def pem(certificates: list[x509.Certificate], line_end: str = "\r\n") -> str:
    """Return certificates as PEM text."""
    text = "".join(c.public_bytes(Encoding.PEM).decode() for c in certificates)
    return text.replace("\n", line_end)


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _ca(
    subject: x509.Name, key: Any, issuer: x509.Name, issuer_key: Any, now: datetime, below: int
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 3650 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
