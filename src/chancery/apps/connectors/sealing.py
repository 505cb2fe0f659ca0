"""Seals secrets: AES-256-GCM under a fresh key per value, itself wrapped by a key of the ring.

Format (JSON): `v` format version, `kid` id of that key, `k` wrapped data key, `c` nonce and ciphertext, both base64.
The associated data binds a value to its table, record and field, so that a sealed value moved elsewhere does not
open. In version 2 only the wrapped data key is bound to the key's id, so that another key wraps it anew without touching
the secret; version 1 bound both, and is still opened.
"""

from __future__ import annotations

import os
from typing import Any

from cryptography.exceptions import InvalidTag

from chancery.apps.connectors import ring
from chancery.apps.connectors.ring import check, key_id, sealed_with
from chancery.apps.connectors.ring import forget as forget_key
from chancery.core.errors import Unavailable
from chancery.core.secret import Secret
from chancery.keystores.base import KEY
from chancery.keystores.held import decrypt, encrypt
from chancery.net.redact import register

__all__ = ["check", "forget_key", "key_id", "rewrap", "seal", "sealed_with", "unseal"]

VERSION = 2
_BOUND_BOTH = 1


def seal(plain: str, *, table: str, record: str, field: str) -> dict[str, Any]:
    """Return `plain` sealed for one field of one record; from here on no log of this process shows it."""
    register([Secret(plain)])
    key, kid = ring.current()
    data_key = os.urandom(KEY)
    return {
        "v": VERSION,
        "kid": kid,
        "k": encrypt(key, data_key, _bound(VERSION, table, record, field, kid)),
        "c": encrypt(data_key, plain.encode(), _bound(VERSION, table, record, field)),
    }


def unseal(sealed: dict[str, Any], *, table: str, record: str, field: str) -> Secret:
    """Return what was sealed for this very field; anything else raises `Unavailable`."""
    data_key, version, bound = _data_key(sealed, table, record, field)
    try:
        return Secret(decrypt(data_key, sealed["c"], bound if version == _BOUND_BOTH else
                              _bound(version, table, record, field)).decode())  # fmt: skip
    except (InvalidTag, KeyError, TypeError, ValueError):
        raise _altered(field) from None


def rewrap(sealed: dict[str, Any], *, table: str, record: str, field: str) -> dict[str, Any]:
    """Return a value under the key that seals now; the secret itself is not opened, but for version 1."""
    key, kid = ring.current()
    if sealed.get("kid") == kid:
        return sealed
    if sealed.get("v") == _BOUND_BOTH:
        return seal(
            unseal(sealed, table=table, record=record, field=field).reveal(), table=table, record=record, field=field
        )
    data_key, version, _ = _data_key(sealed, table, record, field)
    return {**sealed, "kid": kid, "k": encrypt(key, data_key, _bound(version, table, record, field, kid))}


def _data_key(sealed: dict[str, Any], table: str, record: str, field: str) -> tuple[bytes, int, bytes]:
    """Return the key of one value, its format version, and what the key was bound to."""
    version, kid = sealed.get("v"), str(sealed.get("kid"))
    if version not in {_BOUND_BOTH, VERSION}:
        msg = f"The stored secret {field!r} was written by a later release (format {str(version)[:20]})."
        raise Unavailable(msg, remedy="Install that release.", code="wrong_kek")
    key = ring.key(kid)
    bound = _bound(version, table, record, field, kid)
    try:
        return decrypt(key, sealed["k"], bound), version, bound
    except (InvalidTag, KeyError, TypeError, ValueError):
        raise _altered(field) from None


def _altered(field: str) -> Unavailable:
    msg = f"The stored secret {field!r} does not belong to this record or was altered."
    return Unavailable(msg, remedy="Enter the credential again.", code="unsealing_failed")


def _bound(version: int, table: str, record: str, field: str, kid: str = "") -> bytes:
    parts = (f"chancery-seal-{version}", *([kid] if kid else []), table, record, field)
    return "\x1f".join(parts).encode()
