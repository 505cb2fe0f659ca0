"""CERTInext V2 over the door: the token, and answers turned into instructions."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.masking import masked
from chancery.authorities.emsign.oauth import Tokens
from chancery.authorities.emsign.v2.errors import away, error_of, is_page
from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.http import MAX_BODY, Answer, HttpDoor

ROOT = "api/certinext/v2/"
_JSON = {"Accept": "application/json"}
_LIST_BODY = 8 * 1024 * 1024


class Session:
    """One account."""

    def __init__(self, http: HttpDoor, clock: Clock, client: str, secret: Secret) -> None:
        self._http, self._tokens = http, Tokens(http, clock, client, secret)

    def get(self, path: str, params: Any = None) -> dict[str, Any]:
        """Read an object; 5xx and pages that are no JSON mean that the service is away."""
        answer = self._send("GET", path, params=params, max_bytes=_LIST_BODY)
        if is_page(answer):
            raise away(answer, effect=False)
        found = answer.json() if answer.body.strip() else None
        if not isinstance(found, dict):
            message = "emSign answered with a document of another shape."
            raise ProtocolViolation(message, text=answer.text, stage="response", bytes_sent=False)
        return found

    def act(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Do something that has an effect, once. Returns (status, JSON or {})."""
        answer = self._send(method, path, json=body, headers=headers, effect=True)
        if not answer.body.strip():
            return answer.status, {}
        if is_page(answer):
            raise away(answer, effect=True)
        return answer.status, answer.json()

    def _send(
        self, method: str, path: str, *, effect: bool = False, headers: dict[str, str] | None = None, **more: Any
    ) -> Answer:
        token = self._tokens.get()
        answer = self._once(method, path, token, effect=effect, headers=headers or {}, **more)
        if answer.status == 401:
            # Refused, so nothing was done: tokens were seen to die early. One new token, then it is the credential.
            token = self._tokens.get(refused=token)
            answer = self._once(method, path, token, effect=effect, headers=headers or {}, **more)
        if not 200 <= answer.status < 300:
            raise error_of(answer, effect=effect)
        return answer

    def _once(
        self, method: str, path: str, token: Secret, *, headers: dict[str, str], max_bytes: int = MAX_BODY, **more: Any
    ) -> Answer:
        sent = {**_JSON, **headers, "Authorization": f"Bearer {token.reveal()}"}
        answer = self._http.request(method, f"{ROOT}{path}", headers=sent, max_bytes=max_bytes, **more)
        return masked(answer, [token.reveal()])
