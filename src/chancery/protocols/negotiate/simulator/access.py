"""IIS before the pages: Negotiate and NTLM with Extended Protection, Basic, client certificate.

A login by NTLM belongs to its TCP connection. The acceptor is pyspnego's, which compares channel bindings; the accounts stand in a file that its variable names.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import os
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from chancery.protocols.negotiate.simulator.tls import Front
from chancery.sandbox.frame import Asked, Reply

DOMAIN, USER, PASSWORD = "SANDBOX", "svc-chancery", "sandbox-adcs-password-0815"
REFUSED = "401 - Unauthorized: Access is denied due to invalid credentials."
_AV_BINDINGS, _AV_END = 10, 0
Acceptor = Callable[[str], Any]
"""Scheme (Negotiate or NTLM) → one login: `step(token, channel_bindings=…)`, `complete`, `client_principal`."""


class Access:
    """Who is let in. `front` is the server's side of TLS, where it speaks that; `refused` is the title of its 401 page."""

    def __init__(
        self,
        dials: Any,
        front: Front | None = None,
        *,
        acceptor: Acceptor | None = None,
        refused: Callable[[], str] = lambda: REFUSED,
    ) -> None:
        self._dials, self._refused = dials, refused
        self._mapped = {front.client_der} if front else set()
        data = b"tls-server-end-point:" + hashlib.sha256(front.certificate).digest() if front else b""
        self._binding = GssChannelBindings(application_data=data) if data else None
        self._acceptor = acceptor or accepting

    def admit(self, asked: Asked) -> str | Reply:
        """Return the account of a request, or the answer that keeps it out."""
        if self._dials.now.refuse_key:
            return self._refusal()
        if asked.peer in self._mapped:
            return f"{DOMAIN}\\mapped"
        scheme, _, text = asked.headers.get("authorization", "").partition(" ")
        if not scheme:
            kept: str = asked.connection.get("account", "")
            return kept or ("anonymous" if self._dials.now.anonymous else self._refusal())
        offered = {name.lower(): name for name in self._dials.now.logins.split(",")}
        name = offered.get(scheme.lower(), "")
        if name == "Basic":
            return self._basic(text)
        return self._tokens(asked, name, text) if name else self._refusal()

    def _basic(self, text: str) -> str | Reply:
        user, _, password = _decoded(text).decode("utf-8", "replace").partition(":")
        known = {USER, f"{DOMAIN}\\{USER}", f"{USER}@sandbox.example"}
        return f"{DOMAIN}\\{USER}" if user in known and password == PASSWORD else self._refusal()

    def ended(self, reply: Reply) -> Reply:
        """Return an answer, which ends its connection where the dials want that."""
        if self._dials.now.closes:
            reply.headers["Connection"] = "close"
        return reply

    def _tokens(self, asked: Asked, scheme: str, text: str) -> str | Reply:
        token = _decoded(text)
        if self._dials.now.odd_token:
            return self._refusal(f"{scheme} {base64.b64encode(b'no token of NTLM').decode()}")
        talk = asked.connection.pop("talk", None) or self._acceptor(scheme)
        try:
            answer = talk.step(token, channel_bindings=self._asked_for(token))
        except (SpnegoError, ValueError, struct.error):
            asked.connection.pop("account", None)
            return self._refusal()
        if not talk.complete:
            asked.connection["talk"] = talk
            return self._refusal(f"{scheme} {base64.b64encode(answer or b'').decode()}")
        asked.connection["account"] = str(talk.client_principal)
        return str(talk.client_principal)

    def _asked_for(self, token: bytes) -> GssChannelBindings | None:
        epa = self._dials.now.epa
        return None if epa == "off" or (epa == "accepted" and not _binds(token)) else self._binding

    def _refusal(self, challenge: str = "") -> Reply:
        words = self._refused()
        body = f"<!DOCTYPE html><html><head><title>{words}</title></head><body><h2>{words}</h2></body></html>"
        offered = [f'{n} realm="sandbox"' if n == "Basic" else n for n in self._dials.now.logins.split(",") if n]
        headers = {"WWW-Authenticate": challenge or "\n".join(offered), "Server": "Microsoft-IIS/10.0"}
        return Reply(401, body.encode(), "text/html", headers={n: v for n, v in headers.items() if v})


def accepting(scheme: str) -> Any:
    """Return pyspnego's acceptor of one login."""
    os.environ["NTLM_USER_FILE"] = _accounts()
    return spnego.server(
        protocol="ntlm" if scheme == "NTLM" else "negotiate",
        options=spnego.NegotiateOptions.use_ntlm if scheme == "NTLM" else spnego.NegotiateOptions.use_negotiate,
    )


def admit_also(domain: str, user: str, password: str) -> None:
    """Let another account in, at every acceptor of this process."""
    line = f"{domain}:{user}:{password}\n"
    path = Path(_accounts())
    if line not in path.read_text(encoding="utf-8"):
        with path.open("a", encoding="utf-8") as file:
            file.write(line)


@cache
def _accounts() -> str:
    """Return the file with this sandbox's one account; it goes with the process."""
    handle, path = tempfile.mkstemp(prefix="chancery-sandbox-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{DOMAIN}:{USER}:{PASSWORD}\n")
    atexit.register(Path(path).unlink, missing_ok=True)
    return path


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _binds(token: bytes) -> bool:
    """Say whether an NTLM AUTHENTICATE message carries channel bindings (MS-NLMP sections 2.2.1.3 and 2.2.2.1)."""
    start = token.find(b"NTLMSSP\0\3")
    if start < 0:
        return False
    message = token[start:]
    length, _, offset = struct.unpack_from("<HHI", message, 20)
    # Behind the proof (16) and the fixed part of the client's challenge (28) stand the pairs.
    pairs, at = message[offset + 44 : offset + length], 0
    while at + 4 <= len(pairs):
        kind, size = struct.unpack_from("<HH", pairs, at)
        if kind == _AV_BINDINGS:
            return any(pairs[at + 4 : at + 4 + size])
        if kind == _AV_END:
            return False
        at += 4 + size
    return False
