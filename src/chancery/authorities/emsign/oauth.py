"""Bearer tokens for an account: fetched when needed, shared between threads, and thrown away when refused."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from chancery.authorities.emsign.read import count, table, word
from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.net.redact import scrub
from chancery.sdk.errors import AuthFailed, AuthorityError, Forbidden, ProtocolViolation, Throttled, Unreachable
from chancery.sdk.http import Answer, HttpDoor

PATH = "oauth/token"
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_EARLY = timedelta(seconds=60)
"""A token is not used in the last minute of its life."""
_USUAL = 3600
_REMEDY = "Make a new credential in the portal (Integrations → APIs, type REST, auth type OAuth), and enter it here."


@dataclass(frozen=True)
class _Token:
    secret: Secret
    until: datetime


class Tokens:
    """The tokens of one credential (RFC 6749 section 4.4). Refresh tokens work once, so none is kept."""

    def __init__(self, http: HttpDoor, clock: Clock, client: str, secret: Secret) -> None:
        self._http, self._clock, self._client, self._secret = http, clock, client, secret
        self._token: _Token | None = None
        self._lock = threading.Lock()

    def get(self, refused: Secret | None = None) -> Secret:
        """Return a token that should work, another one than `refused`; one thread fetches, the others wait for it."""
        with self._lock:
            held = self._token
            if held is None or held.until <= self._clock.now() or held.secret == refused:
                self._token = None
                self._token = held = self._fetched()
            return held.secret

    def _fetched(self) -> _Token:
        form = {"grant_type": "client_credentials", "client_id": self._client, "client_secret": self._secret.reveal()}
        answer = self._http.post(PATH, content=urlencode(form).encode(), headers=_FORM)
        if answer.status != 200:
            raise refusal_of(answer)
        found = table(answer.json())
        token = found.get("access_token")
        if not isinstance(token, str) or not token or len(token) > 8000:
            message = "emSign's answer to the login holds no token."
            raise ProtocolViolation(message, text=answer.text, stage="response", bytes_sent=False, remedy=_CHECK)
        life = timedelta(seconds=min(count(found.get("expires_in")) or _USUAL, 86_400))
        return _Token(Secret(token), self._clock.now() + max(life - _EARLY, life / 2))


_CHECK = "Check that the base URL is that of CERTInext's API host, without any path."


def refusal_of(answer: Answer) -> AuthorityError:
    """Return the error for a login that brought no token."""
    try:
        found = table(answer.json())
    except ProtocolViolation:
        found = {}
    code = scrub(word(found.get("error")), answer.secrets)
    said = scrub(word(found.get("error_description"), 500), answer.secrets)
    more: dict[str, Any] = {"code": code or str(answer.status), "text": said or answer.text, "stage": "response"}
    more |= {"bytes_sent": False}
    if answer.status == 429:
        return Throttled("emSign's rate limit is reached at the login.", until=answer.retry_after, **more)
    if answer.status >= 500 or answer.status == 408 or (not found and answer.status not in {401, 403}):
        return Unreachable(f"emSign's login answered {answer.status}.", remedy=_CHECK, **more)
    if code == "unauthorized_client":
        text = "The credential was not made in OAuth mode."
        return AuthFailed(text, remedy=_REMEDY, **more)
    if answer.status in {400, 401} or code:
        return AuthFailed(f"emSign refused the client secret ({code or answer.status}).", remedy=_REMEDY, **more)
    if answer.status == 403:
        return Forbidden(
            "emSign's login is closed to this machine.", remedy="Allow this machine's address there.", **more
        )
    return Unreachable(f"emSign's login answered {answer.status}.", remedy=_CHECK, **more)
