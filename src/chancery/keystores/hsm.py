"""A hardware security module through PKCS#11 (`chancery[hsm]`): an AES key that never leaves it wraps keys of ours."""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from chancery.core.errors import Unavailable
from chancery.keystores.base import unavailable

_NONCE, _TAG_BITS = 12, 128
_REMEDY = "Look at token, label, PIN and module of CHANCERY_KEK; the key must be AES and may encrypt and decrypt."


class Hsm:
    """An AES key by token and label, used with AES-GCM (CKM_AES_GCM); a session for each use."""

    def __init__(self, module: str, token: str, label: str, pin_file: str) -> None:
        self._module, self._token, self._label, self._pin_file = module, token, label, pin_file
        self._lock = threading.Lock()

    @property
    def ident(self) -> str:
        """Which store and key this is."""
        return f"pkcs11 token {self._token}, key {self._label}"

    def wrap(self, key: bytes, bound: bytes) -> str:
        """Return a key as it may be stored."""
        nonce = os.urandom(_NONCE)
        with self._key() as (held, parameters):
            raw: bytes = held.encrypt(key, **parameters(nonce, bound))
        return base64.b64encode(nonce + raw).decode()

    def unwrap(self, wrapped: str, bound: bytes) -> bytes:
        """Return a key that this store wrapped."""
        try:
            raw = base64.b64decode(wrapped, validate=True)
        except (binascii.Error, ValueError):
            raise unavailable(self.ident, "what is stored is no wrapped key", _REMEDY) from None
        with self._key() as (held, parameters):
            found: bytes = held.decrypt(raw[_NONCE:], **parameters(raw[:_NONCE], bound))
        return found

    @contextmanager
    def _key(self) -> Iterator[tuple[Any, Any]]:
        pkcs11 = _library()
        failures = (pkcs11.exceptions.PKCS11Error, RuntimeError)

        def parameters(nonce: bytes, bound: bytes) -> dict[str, Any]:
            given = pkcs11.GCMParams(nonce, aad=bound, tag_bits=_TAG_BITS)
            return {"mechanism": pkcs11.Mechanism.AES_GCM, "mechanism_param": given}

        with self._lock:
            try:
                token = pkcs11.lib(self._module).get_token(token_label=self._token)
                with token.open(user_pin=self._pin()) as session:
                    wanted = {"object_class": pkcs11.ObjectClass.SECRET_KEY, "label": self._label}
                    yield session.get_key(**wanted), parameters
            except failures as error:
                why = f"{type(error).__name__} {error}".strip()
                raise unavailable(self.ident, why, _REMEDY) from None

    def _pin(self) -> str:
        try:
            return Path(self._pin_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            remedy = "Write it there, mode 0600, and name the file as pin-source."
            raise unavailable(self.ident, f"the PIN in {self._pin_file} cannot be read", remedy) from None


def _library() -> Any:
    try:
        return import_module("pkcs11")
    except ImportError:
        text = "An HSM needs python-pkcs11, which is not installed."
        raise Unavailable(text, remedy="Install chancery[hsm].", code="no_pkcs11") from None
