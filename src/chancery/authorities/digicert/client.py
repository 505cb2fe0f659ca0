"""CertCentral Services API v2 over the door: headers, rate, and answers turned into instructions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chancery.authorities.digicert.budget import Windows, budget_of
from chancery.authorities.digicert.errors import away, error_of, is_page, said
from chancery.core.clock import Clock
from chancery.core.secret import MASK, Secret
from chancery.sdk.errors import ProtocolViolation, Throttled
from chancery.sdk.http import MAX_BODY, Answer, HttpDoor

_LEAST = timedelta(seconds=1)
_LIST_BODY = 16 * 1024 * 1024
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


class Client:
    """One account."""

    def __init__(self, http: HttpDoor, key: Secret, clock: Clock, windows: Windows) -> None:
        self._http, self._key, self._clock = http, key, clock
        self._budget = budget_of(clock, http.base_url, key, windows)

    def get(self, path: str, params: Any = None, *, patient: bool = False) -> dict[str, Any]:
        """Read an object; 5xx and pages that are no JSON mean that the service is away."""
        return self._object(self._send("GET", path, params=params, max_bytes=_LIST_BODY, patient=patient))

    def renew_value(self, path: str) -> dict[str, Any]:
        """Ask for a value that the CA gives again as long as it is valid (B7): a PUT that may be repeated."""
        return self._object(self._send("PUT", path, json={}))

    def raw(self, path: str) -> bytes:
        """Read a file."""
        answer = self._send("GET", path, headers={"Accept": "*/*"})
        if b"<html" in answer.body[:500].lower():
            raise away(answer, effect=False)
        return answer.body

    def act(self, method: str, path: str, body: Any, *, urgent: bool = False) -> tuple[int, Any]:
        """Do something that has an effect, once. Returns (status, JSON or {})."""
        answer = self._send(method, path, json=body, effect=True, urgent=urgent)
        if not answer.body.strip():
            return answer.status, {}
        if is_page(answer):
            raise away(answer, effect=True)
        return answer.status, answer.json()

    def _object(self, answer: Answer) -> dict[str, Any]:
        if answer.status == 204:
            return {}
        if is_page(answer) and "html" in answer.headers.get("content-type", "").lower():
            raise away(answer, effect=False)
        found = answer.json()
        if not isinstance(found, dict):
            message = "DigiCert answered with a document of another shape."
            raise ProtocolViolation(message, text=answer.text, stage="response", bytes_sent=False)
        return found

    def _send(
        self,
        method: str,
        path: str,
        *,
        effect: bool = False,
        urgent: bool = False,
        patient: bool = False,
        headers: dict[str, str] | None = None,
        max_bytes: int = MAX_BODY,
        **more: Any,
    ) -> Answer:
        self._wait_for_room(urgent=urgent, patient=patient)
        sent = {**_JSON, **(headers or {}), "X-DC-DEVKEY": self._key.reveal()}
        answer = self._without_key(
            self._http.request(method, path, headers=sent, effect=effect, max_bytes=max_bytes, **more)
        )
        if answer.status == 429:
            raise self._throttled(answer)
        if not 200 <= answer.status < 300:
            raise error_of(answer, effect)
        return answer

    def _without_key(self, answer: Answer) -> Answer:
        """Return the answer without our key, should it be echoed: what it says ends on pages and in errors."""
        body = answer.body
        for form in {self._key.reveal(), json.dumps(self._key.reveal())[1:-1]}:
            body = body.replace(form.encode(), MASK.encode()) if form else body
        return replace(answer, body=body)

    def _wait_for_room(self, *, urgent: bool, patient: bool) -> None:
        wait = self._budget.take(urgent=urgent, patient=patient)
        if wait > 0:
            until = self._clock.now() + timedelta(seconds=wait)
            message = "The share of DigiCert's rate limit that Chancery uses is spent for the moment."
            raise Throttled(message, until=until, code="own_budget", stage="request", bytes_sent=False)

    def _throttled(self, answer: Answer) -> Throttled:
        code, message = said(answer)
        now, pause = self._clock.now(), timedelta(seconds=self._budget.pause())
        until = max(answer.retry_after, now + _LEAST) if answer.retry_after else now + pause
        text = message or answer.text
        return Throttled(
            "DigiCert's rate limit is reached.", until=until, code=code or "429", text=text, stage="response"
        )
