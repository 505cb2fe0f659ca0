"""The uploaded credential file: a certificate with its key, as PEM or as the Base64 text of a PFX."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from chancery.authorities.emca.config import EmcaConfig
from chancery.core import pem
from chancery.core.decoding import UNREADABLE
from chancery.core.errors import Invalid
from chancery.core.keys import spki_sha256
from chancery.core.secret import Secret
from chancery.sdk.errors import AuthFailed

_BAD: tuple[type[Exception], ...] = (Invalid, UnsupportedAlgorithm, binascii.Error, *UNREADABLE)


@dataclass(frozen=True)
class Upload:
    """Certificate first, then its issuers (PEM), and the key without a password (PEM)."""

    chain_pem: str
    key_pem: Secret


def read(config: EmcaConfig) -> Upload | None:
    """Return what was uploaded, None where nothing was; raises `AuthFailed` for what cannot be used."""
    if not config.credential_file:
        return None
    text = config.credential_file.reveal().strip()
    password = config.credential_password.reveal().encode() if config.credential_password else None
    try:
        key, found = _pem(text, password) if "-----BEGIN" in text else _pfx(text, password)
    except _BAD:
        raise _unusable("cannot be read: is it whole, and is its password right?") from None
    own = next((c for c in found if spki_sha256(c) == spki_sha256(key.public_key())), None) if key else None
    if own is None:
        raise _unusable("holds no private key, or no certificate for it.")
    chain = [own, *(c for c in found if c != own)]
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Upload("".join(c.public_bytes(Encoding.PEM).decode() for c in chain), Secret(secret))


def _pem(text: str, password: bytes | None) -> tuple[Any, list[x509.Certificate]]:
    blocks = pem.split(text.encode())
    certificates = [x509.load_der_x509_certificate(der) for label, der in blocks if label == "CERTIFICATE"]
    keys = [pem.encode(label, der) for label, der in blocks if label.endswith("PRIVATE KEY")]
    if not keys:
        return None, certificates
    encrypted = password if "ENCRYPTED" in keys[0] else None
    return load_pem_private_key(keys[0].encode(), encrypted), certificates


def _pfx(text: str, password: bytes | None) -> tuple[Any, list[x509.Certificate]]:
    der = base64.b64decode("".join(text.split()), validate=True)
    key, certificate, others = pkcs12.load_key_and_certificates(der, password)
    return key, [*([certificate] if certificate else []), *others]


def _unusable(why: str) -> AuthFailed:
    return AuthFailed(
        f"The connector's credential file {why}",
        code="credential_file",
        stage="request",
        bytes_sent=False,
        remedy="Paste the certificate and its private key as PEM, or the Base64 text of the PFX, and its password.",
    )
