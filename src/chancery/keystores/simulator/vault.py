"""A stand-in for Vault and OpenBao, written from their API documentation: transit encrypt and decrypt, KV version 2.

It knows tokens with policies by path prefix, namespaces, key rotation, sealing, and answers errors as they do.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MARK = "vault:v"


class Refused(Exception):
    """An answer with a status and the server's words."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status)
        self.status, self.errors = status, list(errors)


class Vault:
    """Everything that the server knows; tests look into it and turn it."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, ...]] = {}
        self.keys: dict[tuple[str, str], list[bytes]] = {}
        self.secrets: dict[tuple[str, str], dict[str, Any]] = {}
        self.namespace = ""
        self.sealed = False
        self.requests: list[tuple[str, str]] = []

    def make_key(self, mount: str, name: str) -> None:
        """Make a transit key, or its next version."""
        self.keys.setdefault((mount, name), []).append(AESGCM.generate_key(256))

    def answer(self, method: str, path: str, headers: Any, body: Any) -> dict[str, Any]:
        """Return the `data` of an answer; raises `Refused`."""
        self.requests.append((method, path))
        if self.sealed:
            raise Refused(503, "Vault is sealed")
        allowed = self.tokens.get(headers.get("X-Vault-Token") or "")
        inside = (headers.get("X-Vault-Namespace") or "").strip("/") == self.namespace
        if allowed is None or not inside or not path.startswith(tuple(allowed)):
            raise Refused(403, "1 error occurred:\n\t* permission denied\n\n")
        for (mount, name), versions in self.keys.items():
            for act, work in (("encrypt", _encrypt), ("decrypt", _decrypt)):
                if path == f"{mount}/{act}/{name}" and method in {"POST", "PUT"}:
                    return work(versions, body)
        for (mount, name), data in self.secrets.items():
            if path == f"{mount}/data/{name}" and method == "GET":
                return {"data": data, "metadata": {"version": 1, "destroyed": False, "deletion_time": ""}}
        if "/encrypt/" in path or "/decrypt/" in path:
            raise Refused(400, "encryption key not found")
        raise Refused(404)


def _encrypt(versions: list[bytes], body: Any) -> dict[str, Any]:
    plain, bound = _field(body, "plaintext"), _field(body, "associated_data")
    nonce = os.urandom(12)
    raw = nonce + AESGCM(versions[-1]).encrypt(nonce, plain, bound)
    return {"ciphertext": f"{_MARK}{len(versions)}:{base64.b64encode(raw).decode()}", "key_version": len(versions)}


def _decrypt(versions: list[bytes], body: Any) -> dict[str, Any]:
    head, _, rest = str(body.get("ciphertext")).partition(":v")[2].partition(":")
    if not head.isdigit() or not 1 <= int(head) <= len(versions):
        raise Refused(400, "invalid ciphertext: no prefix")
    try:
        raw = base64.b64decode(rest, validate=True)
        plain = AESGCM(versions[int(head) - 1]).decrypt(raw[:12], raw[12:], _field(body, "associated_data"))
    except (InvalidTag, ValueError):
        raise Refused(400, "cipher: message authentication failed") from None
    return {"plaintext": base64.b64encode(plain).decode()}


def _field(body: Any, name: str) -> bytes:
    try:
        return base64.b64decode(str(body.get(name, "")), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, f"failed to base64-decode {name}") from None


class Simulator:
    """The server on loopback."""

    def __init__(self) -> None:
        self.vault = vault = Vault()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status = 200
                answer: dict[str, Any] = {}
                try:
                    path = self.path.partition("?")[0].removeprefix("/v1/")
                    answer = {"data": vault.answer(self.command, path, self.headers, json.loads(raw or b"{}"))}
                except Refused as refused:
                    status, answer = refused.status, {"errors": refused.errors}
                except ValueError:
                    status, answer = 400, {"errors": ["error parsing JSON"]}
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = _do  # noqa: N815  the names that the server calls

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
