"""A throw-away CA for protocols that enrol by certificate request: it certifies the names that the request asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_ENCRYPTS, _SIGNS = "encrypts", "signs"
_BOTH = (ExtendedKeyUsageOID.SERVER_AUTH.dotted_string, ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string)


class EnrolmentCa:
    """A root and an issuing CA, on P-256 or RSA-2048. Their keys are the same in one process: making them takes long.

    So are their certificates for CAs of the same names from the same moment.

    `issuing` is the common name of the issuing one, where it is not that of `name`.
    """

    def __init__(self, now: datetime, name: str = "Sandbox", *, issuing: str = "", rsa_keys: bool = False) -> None:
        self.key, self.name = _key(2, rsa_keys=rsa_keys), _named(issuing or f"{name} Issuing CA")
        self.root, self.issuing = _pair(_named(f"{name} Root"), self.name, now, rsa_keys=rsa_keys)

    def issue(
        self,
        csr: x509.CertificateSigningRequest,
        now: datetime,
        until: datetime,
        *,
        key: Any = None,
        name: str = "",
        usages: Sequence[str] = _BOTH,
    ) -> x509.Certificate:
        """Return a certificate for a request, from a minute ago. `key` and `name` replace the request's, as faults do."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .issuer_name(self.name)
            .public_key(key or csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _MINUTE)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, usages)), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        alternative = _alternative(csr, name)
        if alternative is not None:
            builder = builder.add_extension(alternative, critical=not list(csr.subject))
        return builder.sign(self.key, hashes.SHA256())

    def registration(self, now: datetime, *, encrypts: bool) -> tuple[x509.Certificate, Any]:
        """Return the certificate and key of a registration authority that encrypts (reads) or signs for this CA."""
        key = _key(3 if encrypts else 4, rsa_keys=True)
        use = x509.KeyUsage(
            digital_signature=not encrypts,
            content_commitment=False,
            key_encipherment=encrypts,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        made = (
            x509.CertificateBuilder()
            .subject_name(_named(f"Sandbox RA, {_ENCRYPTS if encrypts else _SIGNS}"))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 365 * _DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(use, critical=True)
        )
        return made.sign(self.key, hashes.SHA256()), key


def _alternative(csr: x509.CertificateSigningRequest, name: str) -> x509.SubjectAlternativeName | None:
    if name:
        return x509.SubjectAlternativeName([x509.DNSName(name)])
    found = [e.value for e in csr.extensions if isinstance(e.value, x509.SubjectAlternativeName)]
    return found[0] if found else None


@cache
def _key(number: int, *, rsa_keys: bool) -> Any:
    del number  # one key each
    return rsa.generate_private_key(65537, 2048) if rsa_keys else ec.generate_private_key(ec.SECP256R1())


@lru_cache(maxsize=64)
def _pair(root: x509.Name, name: x509.Name, now: datetime, *, rsa_keys: bool) -> tuple[x509.Certificate, ...]:
    root_key, key = _key(1, rsa_keys=rsa_keys), _key(2, rsa_keys=rsa_keys)
    own = _above(root, root_key.public_key(), root, root_key, now, 1)
    return own, _above(name, key.public_key(), root, root_key, now, 0)


@cache
def other_key() -> Any:
    """Return the public key of somebody else, for a CA that certifies the wrong one."""
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _above(
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
