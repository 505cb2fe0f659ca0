"""HashiCorp Vault and OpenBao: the transit engine wraps keys, the KV engine (version 2) holds secrets.

From the API documentation of both; the door is the one that speaks with CAs. The server's address is the operator's own
setting, so addresses inside are allowed. The token is read anew for each request: an agent may renew its file.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.errors import Unavailable
from chancery.core.secret import Secret
from chancery.keystores.base import unavailable
from chancery.net.addresses import AddressPolicy
from chancery.sdk.errors import AuthorityError
from chancery.sdk.http import HttpDoor

_INSIDE = ("0.0.0.0/0", "::/0", "127.0.0.0/8", "::1/128")
_OK = 200
_TOKEN = "VAULT_TOKEN"  # noqa: S105  the variable's name
_REMEDIES = {
    400: "Look at the key's name and type.",
    403: "Give a token whose policy allows it; tokens expire.",
    404: "Look at the mount, the path and the key's name.",
    503: "Unseal it.",
}


class Server:
    """One server, spoken to with a token from a file or from VAULT_TOKEN."""

    def __init__(self, url: str, options: Mapping[str, str], timeout: float = 10.0) -> None:
        self.url, self._timeout = url, timeout
        self._namespace, self._token_file = options.get("namespace", ""), options.get("token_file", "")
        self._ca_file = options.get("ca_file", "")

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `data` of an answer."""
        return self._data("POST", path, json=dict(body))

    def get(self, path: str) -> dict[str, Any]:
        """Return the `data` of an answer."""
        return self._data("GET", path)

    def _data(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        token = self._token()
        headers = {"X-Vault-Token": token.reveal(), "X-Vault-Request": "true"}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        # It is asked once in a while, so no connection is kept for the next time.
        with closing(self._door(token)) as door:
            try:
                answer = door.request(method, f"/v1/{path}", headers=headers, **more)
                found = answer.json()
            except AuthorityError as error:
                remedy = error.remedy or "Is it the address of a Vault, and does it run?"
                raise unavailable(self.url, str(error), remedy) from None
        errors = "; ".join(map(str, found.get("errors") or ())) if isinstance(found, dict) else ""
        if answer.status != _OK or not isinstance(found, dict) or not isinstance(found.get("data"), dict):
            why = f"it answers {answer.status} to {path}{': ' if errors else ''}{errors[:200]}"
            raise unavailable(self.url, why, _REMEDIES.get(answer.status, "Look at the server's log."))
        data: dict[str, Any] = found["data"]
        return data

    def _door(self, token: Secret) -> HttpDoor:
        try:
            trust = Path(self._ca_file).read_text(encoding="ascii") if self._ca_file else None
        except (OSError, UnicodeDecodeError):
            remedy = "Name a file of PEM certificates as ca_file."
            raise unavailable(self.url, f"{self._ca_file} cannot be read", remedy) from None
        return HttpDoor(
            self.url,
            clock=SYSTEM_CLOCK,
            policy=AddressPolicy(_INSIDE),
            trust_pem=trust,
            timeout=self._timeout,
            secrets=(token,),
        )

    def _token(self) -> Secret:
        if self._token_file:
            try:
                text = Path(self._token_file).read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError):
                text = ""
        else:
            text = os.environ.get(_TOKEN, "").strip()
        if not text:
            where = f"in {self._token_file}" if self._token_file else f"in {_TOKEN}"
            raise unavailable(self.url, f"there is no token {where}", "Give one, or let an agent write it there.")
        return Secret(text)


class Transit:
    """A key of the transit engine, of an AEAD type (aes256-gcm96)."""

    def __init__(self, server: Server, mount: str, name: str) -> None:
        self._server, self._mount, self._name = server, mount, name

    @property
    def ident(self) -> str:
        """Which store and key this is."""
        return f"{self._server.url}/{self._mount}/{self._name}"

    def wrap(self, key: bytes, bound: bytes) -> str:
        """Return a key as it may be stored."""
        body = {"plaintext": _encoded(key), "associated_data": _encoded(bound)}
        return str(self._server.post(self._path("encrypt"), body).get("ciphertext", ""))

    def unwrap(self, wrapped: str, bound: bytes) -> bytes:
        """Return a key that this store wrapped."""
        body = {"ciphertext": wrapped, "associated_data": _encoded(bound)}
        try:
            return base64.b64decode(str(self._server.post(self._path("decrypt"), body).get("plaintext")), validate=True)
        except (binascii.Error, ValueError):
            raise unavailable(self.ident, "it answers with no base64", "Is this a transit engine?") from None

    def _path(self, act: str) -> str:
        return f"{quote(self._mount)}/{act}/{quote(self._name, safe='')}"


def read_secret(server: Server, mount: str, path: str, field: str) -> Secret:
    """Return one field of a secret in the KV engine, version 2, as it is now."""
    data = server.get(f"{quote(mount)}/data/{quote(path)}").get("data")
    value = data.get(field) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        raise Unavailable(
            f"The secret {mount}/{path} at {server.url} has no text {field!r}.",
            remedy="Write it there, or correct the reference.",
            code="no_reference",
        )
    return Secret(value)


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
