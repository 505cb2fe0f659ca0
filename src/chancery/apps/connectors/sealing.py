"""Seals secrets: AES-256-GCM under a fresh key per value, itself wrapped by the key-encryption key.

Format (JSON): `v` format version, `kid` id of the key-encryption key, `k` wrapped data key, `c` nonce
and ciphertext, both base64. The associated data binds a value to its table, record and field, so that
a sealed value moved elsewhere does not open.

The key file is made once, before the first value is sealed. Where it is missing later nothing replaces it: what was
sealed with it would be lost without a word.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.apps import apps
from django.conf import settings

from chancery.apps.connectors.models import Call, ConnectorVersion
from chancery.core.errors import Unavailable
from chancery.core.secret import Secret

VERSION = 1
_NONCE = 12
_KEY = 32


def seal(plain: str, *, table: str, record: str, field: str) -> dict[str, Any]:
    """Return `plain` sealed for one field of one record."""
    kek, kid = _kek()
    data_key = os.urandom(_KEY)
    bound = _bound(table, record, field, kid)
    return {
        "v": VERSION,
        "kid": kid,
        "k": _encrypt(kek, data_key, bound),
        "c": _encrypt(data_key, plain.encode(), bound),
    }


def unseal(sealed: dict[str, Any], *, table: str, record: str, field: str) -> Secret:
    """Return what was sealed for this very field; anything else raises `Unavailable`."""
    kek, kid = _kek()
    if sealed.get("v") != VERSION or sealed.get("kid") != kid:
        msg = f"The stored secret {field!r} was sealed with another key-encryption key."
        raise Unavailable(msg, remedy=f"Put back the key file with id {sealed.get('kid')}.", code="wrong_kek")
    bound = _bound(table, record, field, kid)
    try:
        data_key = _decrypt(kek, sealed["k"], bound)
        return Secret(_decrypt(data_key, sealed["c"], bound).decode())
    except (InvalidTag, KeyError, TypeError, ValueError):
        msg = f"The stored secret {field!r} does not belong to this record or was altered."
        raise Unavailable(msg, remedy="Enter the credential again.", code="unsealing_failed") from None


def sealed_with() -> Counter[str]:
    """Return key id → number of stored secrets that were sealed with it."""
    versions = ConnectorVersion.objects.exclude(secrets={}).values_list("secrets", flat=True)
    calls = Call.objects.exclude(sealed={}).values_list("sealed", flat=True)
    channels = apps.get_model("notices.Channel")._default_manager.values_list("sealed", flat=True)
    values = [*versions.iterator(), *(sealed.get("secrets", {}) for sealed in calls.iterator())]
    values += [{"url": sealed} for sealed in channels.iterator() if sealed]
    return Counter(str(value.get("kid")) for secrets in values for value in secrets.values())


def key_id() -> str:
    """Return the id of the key in the key file, '' where there is no file; raises `Unavailable` for a spoilt one."""
    path = Path(settings.KEK_FILE)
    return _read(path)[1] if path.exists() else ""


def check() -> None:
    """Raise `Unavailable` where the key file is missing or spoilt though stored secrets were sealed with it."""
    if not key_id():
        _refuse_to_replace(Path(settings.KEK_FILE))


def forget_key() -> None:
    """Read the key file again at the next use (after a restore, and in tests)."""
    _kek.cache_clear()


def _bound(table: str, record: str, field: str, kid: str) -> bytes:
    return "\x1f".join((f"chancery-seal-{VERSION}", kid, table, record, field)).encode()


def _encrypt(key: bytes, plain: bytes, bound: bytes) -> str:
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, bound)).decode()


def _decrypt(key: bytes, text: str, bound: bytes) -> bytes:
    raw = base64.b64decode(text)
    return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], bound)


@lru_cache(maxsize=1)
def _kek() -> tuple[bytes, str]:
    path = Path(settings.KEK_FILE)
    if not path.exists():
        _refuse_to_replace(path)
        _make(path)
    return _read(path)


def _read(path: Path) -> tuple[bytes, str]:
    try:
        key = path.read_bytes()
    except OSError as error:
        msg = f"The key-encryption key file {path} cannot be read: {error.strerror}."
        raise Unavailable(msg, remedy="Give it to the user that Chancery runs as, mode 0600.", code="no_kek") from None
    if len(key) != _KEY:
        msg = f"The key-encryption key file {path} has {len(key)} bytes instead of {_KEY}."
        raise Unavailable(msg, remedy="Restore it from your backup.", code="wrong_kek")
    return key, hashlib.sha256(b"chancery-kek-id" + key).hexdigest()[:16]


def _refuse_to_replace(path: Path) -> None:
    found = sealed_with()
    if found:
        number, ids = found.total(), ", ".join(sorted(found))
        msg = f"The key-encryption key file {path} is missing, and {number} stored secrets were sealed with it (id {ids})."
        remedy = "Put it back from a backup, or copy it from another node; without it they cannot be opened."
        raise Unavailable(msg, remedy=remedy, code="no_kek")


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Readable by nobody else from its first moment on.
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(_KEY))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A hard link fails where another process was first; its key then stands.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        Path(fresh).unlink()
        _sync(path.parent)


def _sync(folder: Path) -> None:
    """Bring the folder's entry to the disk as well: what is sealed outlives a power cut, so must the key."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
