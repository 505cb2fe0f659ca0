"""AWS KMS, through boto3 (`chancery[aws]`): a symmetric key that never leaves the service wraps keys of ours."""

from __future__ import annotations

import base64
import binascii
from functools import cached_property
from typing import Any

from chancery.keystores.base import unavailable
from chancery.net import objects

_CONTEXT = "chancery"
_REMEDY = "Look at the key, its policy (kms:Encrypt, kms:Decrypt) and the credentials of this machine."


class Kms:
    """A key by its id, ARN or alias; what is bound goes along as encryption context."""

    def __init__(self, key: str, region: str = "", endpoint: str = "") -> None:
        self._key, self._region, self._endpoint = key, region, endpoint

    @property
    def ident(self) -> str:
        """Which store and key this is."""
        return f"awskms {self._key}" + (f" in {self._region}" if self._region else "")

    @cached_property
    def _client(self) -> Any:
        return objects.client("kms", self._region, self._endpoint)

    def wrap(self, key: bytes, bound: bytes) -> str:
        """Return a key as it may be stored."""
        return base64.b64encode(self._ask("encrypt", "CiphertextBlob", bound, Plaintext=key)).decode()

    def unwrap(self, wrapped: str, bound: bytes) -> bytes:
        """Return a key that this store wrapped."""
        try:
            raw = base64.b64decode(wrapped, validate=True)
        except (binascii.Error, ValueError):
            raise unavailable(self.ident, "what is stored is no wrapped key", _REMEDY) from None
        return self._ask("decrypt", "Plaintext", bound, CiphertextBlob=raw)

    def _ask(self, act: str, answer: str, bound: bytes, **given: bytes) -> bytes:
        client = self._client
        context = {_CONTEXT: base64.b64encode(bound).decode()}
        try:
            found = getattr(client, act)(KeyId=self._key, EncryptionContext=context, **given)
        except objects.failures() as error:
            raise unavailable(self.ident, str(error), _REMEDY) from None
        raw: bytes = found[answer]
        return raw
