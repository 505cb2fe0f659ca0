"""Our own certificate in a TLS handshake (client authentication, RFC 8446 section 4.4.2)."""

from __future__ import annotations

import os
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from chancery.core import pem
from chancery.core.errors import Invalid
from chancery.core.secret import Secret

_CHAIN = "the certificate chain holds no readable PEM certificate, or one that this machine does not accept"


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """What is shown to a server that asks for a certificate.

    `chain_pem` holds our certificate first, then its issuers as far as the server needs them; `key_pem` is its
    private key without a passphrase (PKCS#8, PKCS#1 or SEC1). Both are PEM.
    """

    chain_pem: str
    key_pem: Secret


def present(context: ssl.SSLContext, identity: ClientIdentity) -> None:
    """Let a context show this identity; raises `ValueError` saying what is wrong with it, never quoting the key.

    TLS 1.3 servers may ask after the handshake, when they know the path; they are answered too.
    """
    # The ssl module reads keys from files alone: the file holds the key encrypted, for a moment, in a folder of ours.
    word = secrets.token_hex(32).encode()
    text = _certificates(identity.chain_pem) + _encrypted(identity.key_pem, word)
    with TemporaryDirectory(prefix="chancery-") as folder:
        path = Path(folder) / "identity.pem"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
        try:
            context.load_cert_chain(path, password=word)
        except ssl.SSLError as error:
            raise ValueError(_reason(error)) from None
    context.post_handshake_auth = True
    context.set_alpn_protocols(["http/1.1"])


def _certificates(text: str) -> bytes:
    """Return the certificates alone: somebody may have pasted the key along with them."""
    try:
        ders = [der for label, der in pem.split(text.encode()) if label == "CERTIFICATE"]
    except Invalid:
        ders = []
    if not ders:
        raise ValueError(_CHAIN)
    return pem.chain_text(ders).encode()


def _encrypted(key: Secret, word: bytes) -> bytes:
    try:
        loaded = load_pem_private_key(key.reveal().encode(), None)
    except TypeError:
        raise ValueError("the private key is protected by a passphrase; give it without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the private key is no readable PEM") from None
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(word))


def _reason(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the private key is not that of the first certificate"
    return _CHAIN
