"""What the documents tell of emCA's REST interface from 4.2 on: `auth/token`, and a list of CAs.

How the replies look they do not say; the dials change it, so that no client can lean on one look.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, Router, json_reply

_FIELDS = frozenset({"username", "password", "clientId", "validityInMins"})


@dataclass
class Rest:
    """One registered external application, and the CAs that it may see."""

    user: str
    password: str
    client_id: str
    names: tuple[str, ...]
    dials: Dials
    clock: Clock
    tokens: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.router = Router()
        self.router.add("POST", "/auth/token", self._login)
        self.router.add("GET", "/emCAServices/rest/getCAs/{client}", self._cas)

    def answer(self, asked: Asked) -> Reply:
        """Answer one request; X-Nonce is asked for on every call."""
        now = self.dials.now
        if now.throttle or asked.throttled:
            return Reply(429, b"Too many requests.", "text/plain")
        handler = self.router.find(asked)
        if handler is None:
            return json_reply({"error": "no such service"}, 404)
        if not asked.headers.get("x-nonce"):
            return json_reply({"error": "X-Nonce is missing"}, 400)
        return handler(asked)

    def _login(self, asked: Asked) -> Reply:
        body = asked.json()
        if not isinstance(body, dict) or set(body) != _FIELDS or not isinstance(body["validityInMins"], int):
            return json_reply({"error": "invalid request details"}, 400)
        mine = (body["username"], body["password"], body["clientId"]) == (self.user, self.password, self.client_id)
        if self.dials.now.refuse_key or not mine:
            return json_reply({"error": "invalid request details"}, 401)
        token = _token(self.user)
        until = self.tokens[token] = self.clock.now() + timedelta(minutes=body["validityInMins"])
        shape = self.dials.now.rest_shape
        found: dict[str, Any] = {"token": token, "expiry": until.isoformat()}
        if shape == "nested":
            found = {"data": {"accessToken": token, "expiresAt": until.timestamp()}}
        return json_reply({} if shape == "none" else found)

    def _cas(self, asked: Asked) -> Reply:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, self.clock.now()) <= self.clock.now():
            return json_reply({"error": "the token is not valid"}, 401)
        if asked.params["client"] != self.client_id:
            return json_reply({"error": "the client is not known"}, 403)
        return json_reply({"cas": [{"name": name, "status": "Active"} for name in self.names]})


def _token(user: str) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": user, "jti": secrets.token_hex(8)})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.{secrets.token_urlsafe(32)}"
