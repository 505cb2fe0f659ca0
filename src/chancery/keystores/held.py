"""Stores that hold the key themselves: a file, a variable of the environment, a credential of systemd."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chancery.core.errors import Unavailable
from chancery.keystores.base import KEY, unavailable

_NONCE = 12


class Held:
    """A key of 32 bytes in this process: AES-256-GCM."""

    def __init__(self, ident: str, key: bytes) -> None:
        self.ident, self.key = ident, key

    @property
    def kid(self) -> str:
        """The key's id: a hash, so that two processes can tell whether they have the same one."""
        return hashlib.sha256(b"chancery-kek-id" + self.key).hexdigest()[:16]

    def wrap(self, key: bytes, bound: bytes) -> str:
        """Return a key as it may be stored."""
        return encrypt(self.key, key, bound)

    def unwrap(self, wrapped: str, bound: bytes) -> bytes:
        """Return a key that this one wrapped."""
        try:
            return decrypt(self.key, wrapped, bound)
        except (InvalidTag, ValueError):
            raise unavailable(
                self.ident, "it is not the key that this was wrapped with", "Put that key back."
            ) from None


def encrypt(key: bytes, plain: bytes, bound: bytes) -> str:
    """Return AES-256-GCM's nonce and ciphertext in base64."""
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, bound)).decode()


def decrypt(key: bytes, text: str, bound: bytes) -> bytes:
    """Return what was encrypted; raises `InvalidTag` or `ValueError`."""
    raw = base64.b64decode(text)
    return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], bound)


def from_file(path: Path) -> Held:
    """Return the key of a file of 32 bytes."""
    try:
        key = path.read_bytes()
    except OSError as error:
        msg = f"The key-encryption key file {path} cannot be read: {error.strerror}."
        raise Unavailable(msg, remedy="Give it to the user that Chancery runs as, mode 0600.", code="no_kek") from None
    if len(key) != KEY:
        msg = f"The key-encryption key file {path} has {len(key)} bytes instead of {KEY}."
        raise Unavailable(msg, remedy="Restore it from your backup.", code="wrong_kek")
    return Held(f"file {path}", key)


def from_environment(name: str) -> Held:
    """Return the key of a variable: 32 bytes in base64."""
    text = os.environ.get(name, "")
    if not text:
        raise unavailable(f"variable {name}", "it is not set", "Set it to 32 random bytes in base64.")
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY:
        raise unavailable(f"variable {name}", f"it is no {KEY} bytes in base64", "Make one: openssl rand -base64 32")
    return Held(f"variable {name}", key)


def from_credential(name: str) -> Held:
    """Return the key of a systemd credential (`LoadCredentialEncrypted=`): 32 bytes, or those in base64."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    ident = f"credential {name}"
    remedy = f"Give the unit LoadCredentialEncrypted={name}, made with systemd-creds encrypt."
    if not folder:
        raise unavailable(ident, "systemd gave this process no credentials", remedy)
    try:
        raw = (Path(folder) / name).read_bytes()
    except OSError as error:
        raise unavailable(ident, f"it cannot be read: {error.strerror}", remedy) from None
    try:
        key = raw if len(raw) == KEY else base64.b64decode(raw.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY:
        raise unavailable(ident, f"it is no {KEY} bytes", "Make one: openssl rand -base64 32")
    return Held(ident, key)
