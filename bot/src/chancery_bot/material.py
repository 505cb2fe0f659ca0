"""Keys, requests and certificates: made, read and held against one another."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from chancery_bot.errors import Refused

KEY_TYPES = ("EC-P256", "EC-P384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519")
_MOST_COMMON_NAME = 64
PrivateKey = Any
"""A private key of the cryptography library; its kinds have no common base."""


def new_key(kind: str) -> bytes:
    """Return a fresh key as PEM (PKCS#8)."""
    if kind not in KEY_TYPES:
        raise Refused(f"This bot makes no keys of the kind {kind[:40]!r}.", f"Choose one of {', '.join(KEY_TYPES)}.")
    key: PrivateKey
    if kind == "Ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif kind.startswith("RSA-"):
        key = rsa.generate_private_key(65537, int(kind[4:]))
    else:
        key = ec.generate_private_key(ec.SECP256R1() if kind == "EC-P256" else ec.SECP384R1())
    return key_pem(key)


def key_pem(key: PrivateKey) -> bytes:
    """Return a private key as PEM (PKCS#8), not encrypted."""
    pem: bytes = key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem


def request(pem: bytes, names: list[str]) -> str:
    """Return a certificate request (PEM) for names, signed by a key."""
    key: PrivateKey = serialization.load_pem_private_key(pem, None)
    found = [_name(n) for n in names]
    common = next((n for n in names if len(n) <= _MOST_COMMON_NAME), "")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
    builder = x509.CertificateSigningRequestBuilder(subject)
    made = builder.add_extension(x509.SubjectAlternativeName(found), critical=not common)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made.sign(key, digest).public_bytes(Encoding.PEM).decode()


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@dataclass(frozen=True)
class Material:
    """A key and a certificate with its chain, that belong together."""

    key_pem: bytes
    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself."""
        return self.chain[0]

    @property
    def leaf_pem(self) -> bytes:
        """The certificate alone."""
        return self.leaf.public_bytes(Encoding.PEM)

    @property
    def issuers_pem(self) -> bytes:
        """What stands above the certificate, its issuer first."""
        return b"".join(c.public_bytes(Encoding.PEM) for c in self.chain[1:])

    @property
    def full_pem(self) -> bytes:
        """The certificate, then what stands above it."""
        return self.leaf_pem + self.issuers_pem

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's DER, in hex."""
        return self.leaf.fingerprint(hashes.SHA256()).hex()

    @property
    def key(self) -> PrivateKey:
        """The private key."""
        return serialization.load_pem_private_key(self.key_pem, None)


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return a certificate's DNS names and addresses; none where they cannot be read."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # what is wrong with extensions has a dozen kinds of errors without a common base
        return []
    return [str(n.value) for n in found if isinstance(n, x509.DNSName | x509.IPAddress)]


def valid(certificate: x509.Certificate, now: datetime) -> bool:
    """Say whether a certificate is valid at `now`."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def together(key_pem: bytes, chain_pem: bytes, now: datetime) -> Material:
    """Return key and chain if they belong together and the certificate is valid at `now`; raises `Refused`."""
    try:
        chain = tuple(x509.load_pem_x509_certificates(chain_pem))
        key: PrivateKey = serialization.load_pem_private_key(key_pem, None)
    except ValueError:
        raise Refused("The certificate or its key cannot be read.", "Deploy it again.") from None
    if _spki(key.public_key()) != _spki(chain[0].public_key()):
        raise Refused("The certificate is not for the key of this host.", "Order it anew for this target.")
    for lower, upper in pairwise(chain):
        if lower.issuer != upper.subject:
            raise Refused("The chain is not in order.", "Tell whoever runs Chancery.")
    if not valid(chain[0], now):
        raise Refused("The certificate is not valid at this moment.", "Look at this host's clock, or order it anew.")
    return Material(key_pem, chain)


def _spki(key: Any) -> bytes:
    found: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found
