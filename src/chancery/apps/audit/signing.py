"""The key that signs checkpoints: Ed25519, in a file of mode 0600 beside the key-encryption key, made at first start."""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.conf import settings

from chancery.apps.audit.models import Checkpoint, Log
from chancery.apps.shared import keyfile
from chancery.core.errors import Unavailable
from chancery.core.note import Signer

_BACK = "Put it back from a backup, or copy it from another node; if it is lost, see `chancery audit new-key --lost`."


def log() -> Log:
    """Return the one row about the tree, made with a name of its own at first use."""
    return Log.objects.get_or_create(id=1, defaults={"name": f"chancery/audit/{secrets.token_hex(6)}"})[0]


def signer(about: Log) -> Signer:
    """Return who signs; raises `Unavailable` where the key file is missing, spoilt, or not the one in force."""
    path = _path()
    if not path.exists():
        if about.key or Checkpoint.objects.exists():
            text = f"The file {path} of the key that signs the record is missing."
            raise Unavailable(text, remedy=_BACK, code="no_audit_key")
        keyfile.make(path, fresh())
    found = Signer(about.name, _read(path))
    if about.key and about.key != found.key.text:
        found = _turned(about, path) or found
    if about.key and about.key != found.key.text:
        text = f"The key in {path} is not the one that signs this record ({found.key.hint.hex()})."
        raise Unavailable(text, remedy=_BACK, code="wrong_audit_key")
    return found


def next_file(path: Path) -> Path:
    """Return where a new key lies until a checkpoint names it."""
    return path.with_name(f"{path.name}.next")


def _turned(about: Log, path: Path) -> Signer | None:
    """Finish a change of keys that was broken off after the checkpoint; None where there was none."""
    waiting = next_file(path)
    if not waiting.exists():
        return None
    found = Signer(about.name, _read(waiting))
    if found.key.text != about.key:
        return None
    waiting.replace(path)
    keyfile.sync(path.parent)
    return found


def fresh() -> bytes:
    """Return a new key as its file holds it."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def loaded(content: bytes, path: Path) -> Ed25519PrivateKey:
    """Return the key of a file's content; raises `Unavailable` where it is none."""
    try:
        key = load_pem_private_key(content, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Unavailable(f"The file {path} holds no Ed25519 key.", remedy=_BACK, code="wrong_audit_key")
    return key


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        return loaded(path.read_bytes(), path)
    except OSError as error:
        text = f"The file {path} of the key that signs the record cannot be read: {error.strerror}."
        raise Unavailable(text, remedy="Give it to Chancery's user, mode 0600.", code="no_audit_key") from None


def _path() -> Path:
    return Path(settings.AUDIT_KEY_FILE)
