"""`POST /oauth/token`: client credentials by form or HTTP Basic, refresh tokens that work once (RFC 6749)."""

from __future__ import annotations

import base64
import binascii
import itertools
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from chancery.authorities.emsign.simulator import account
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, json_reply


class Tokens:
    """Gives out bearer tokens and knows which of them live."""

    def __init__(self, dials: Dials, clock: Clock, secret: str) -> None:
        self._dials, self._clock, self._secret = dials, clock, secret
        self._live: dict[str, datetime] = {}
        self._refresh: set[str] = set()
        self._numbers = itertools.count(1)

    def answer(self, asked: Asked) -> Reply:
        """Answer a request for a token."""
        form = dict(parse_qsl(asked.body.decode("utf-8", "replace")))
        grant = form.get("grant_type", "")
        if grant == "refresh_token":
            return self._refreshed(form.get("refresh_token", ""))
        if not grant:
            return _refused(400, "invalid_request", "grant_type is missing.")
        if grant != "client_credentials":
            return _refused(400, "unsupported_grant_type", "Use client_credentials or refresh_token.")
        client, secret = _basic(asked) or (form.get("client_id", ""), form.get("client_secret", ""))
        if not client or not secret:
            return _refused(400, "invalid_request", "client_id or client_secret is missing.")
        if client == account.ACCOUNT and secret == account.NOT_OAUTH:
            return _refused(403, "unauthorized_client", "The access key was not generated in OAuth mode.")
        if self._dials.now.refuse_key or (client, secret) != (account.ACCOUNT, self._secret):
            return _refused(401, "invalid_client", "Client authentication failed.")
        return self._issued()

    def problem(self, asked: Asked) -> str:
        """Return '' where a call carries a living token, else the word for what is wrong with it."""
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        until = self._live.get(token) if kind == "Bearer" else None
        if until is not None and self._dials.take("revoke_tokens"):
            self._live.pop(token)
            return "ACCESS_TOKEN_REVOKED"
        if until is None or self._dials.now.refuse_key:
            return "INVALID_TOKEN"
        return "" if until > self._clock.now() else "ACCESS_TOKEN_EXPIRED"

    def _refreshed(self, token: str) -> Reply:
        if token not in self._refresh:
            return _refused(400, "invalid_grant", "The refresh token is expired, used or revoked.")
        self._refresh.discard(token)
        return self._issued()

    def _issued(self) -> Reply:
        number, life = next(self._numbers), self._dials.now.token_life
        token, refresh = f"sandbox-access-token-{number:08d}", f"sandbox-refresh-token-{number:08d}"
        self._live[token] = self._clock.now() + timedelta(seconds=life)
        self._refresh.add(refresh)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": int(life), "refresh_token": refresh}
        return json_reply(body)


def _basic(asked: Asked) -> tuple[str, str] | None:
    kind, _, code = asked.headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return None
    try:
        client, _, secret = base64.b64decode(code, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return client, secret


def _refused(status: int, error: str, text: str) -> Reply:
    return json_reply({"error": error, "error_description": text}, status)
