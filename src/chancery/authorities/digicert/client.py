"""CertCentral Services API v2 over the door: headers, rate, and answers turned into instructions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chancery.authorities.digicert.budget import Budget, Windows, budget_of
from chancery.authorities.digicert.errors import away, error_of, is_page, said
from chancery.core.clock import Clock
from chancery.core.secret import MASK, Secret
from chancery.sdk.errors import AuthFailed, ProtocolViolation, Throttled
from chancery.sdk.http import MAX_BODY, Answer, HttpDoor

_LEAST = timedelta(seconds=1)
_LIST_BODY = 16 * 1024 * 1024
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


class Client:
    """One account. With two keys the other one is used once one is refused: a refused key has done nothing."""

    def __init__(self, http: HttpDoor, keys: tuple[Secret, ...], clock: Clock, windows: Windows) -> None:
        self._http, self._keys, self._clock = http, keys, clock
        self._budgets = [budget_of(clock, http.base_url, key, windows) for key in keys]
        self._used = 0

    @property
    def first_key_refused(self) -> bool:
        """Say whether the second key had to be used."""
        return self._used > 0

    def get(self, path: str, params: Any = None, *, need: str = "usual") -> dict[str, Any]:
        """Read an object; 5xx and pages that are no JSON mean that the service is away."""
        return self._object(self._send("GET", path, params=params, max_bytes=_LIST_BODY, need=need))

    def repeat(self, path: str) -> dict[str, Any]:
        """Send a PUT that may be repeated (B7): for a value that stays the same while it is valid, or for a look at records."""
        return self._object(self._send("PUT", path, json={}))

    def raw(self, path: str, *, need: str = "usual") -> bytes:
        """Read a file."""
        answer = self._send("GET", path, headers={"Accept": "*/*"}, need=need)
        if b"<html" in answer.body[:500].lower():
            raise away(answer, effect=False)
        return answer.body

    def act(self, method: str, path: str, body: Any, *, urgent: bool = False) -> tuple[int, Any]:
        """Do something that has an effect, once. Returns (status, JSON or {})."""
        answer = self._send(method, path, json=body, effect=True, need="urgent" if urgent else "usual")
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

    def _send(self, method: str, path: str, **more: Any) -> Answer:
        used = self._used
        try:
            return self._send_with(used, method, path, **more)
        except AuthFailed:
            if len(self._keys) == 1:
                raise
        # DigiCert looked at nothing but the key, so nothing was done, and once more is the first time.
        other = 1 - used
        answer = self._send_with(other, method, path, **more)
        self._used = other
        return answer

    def _send_with(
        self,
        used: int,
        method: str,
        path: str,
        *,
        effect: bool = False,
        need: str = "usual",
        headers: dict[str, str] | None = None,
        max_bytes: int = MAX_BODY,
        **more: Any,
    ) -> Answer:
        self._wait_for_room(self._budgets[used], need)
        sent = {**_JSON, **(headers or {}), "X-DC-DEVKEY": self._keys[used].reveal()}
        answer = self._without_key(
            self._http.request(method, path, headers=sent, effect=effect, max_bytes=max_bytes, **more)
        )
        if answer.status == 429:
            raise self._throttled(self._budgets[used], answer)
        if not 200 <= answer.status < 300:
            raise error_of(answer, effect)
        return answer

    def _without_key(self, answer: Answer) -> Answer:
        """Return the answer without our keys, should they be echoed: what it says ends on pages and in errors."""
        body = answer.body
        plain = [key.reveal() for key in self._keys]
        for form in {*plain, *(json.dumps(text)[1:-1] for text in plain)}:
            body = body.replace(form.encode(), MASK.encode()) if form else body
        return replace(answer, body=body)

    def _wait_for_room(self, budget: Budget, need: str) -> None:
        wait = budget.take(need)
        if wait > 0:
            until = self._clock.now() + timedelta(seconds=wait)
            message = "The share of DigiCert's rate limit that Chancery uses is spent for the moment."
            raise Throttled(message, until=until, code="own_budget", stage="request", bytes_sent=False)

    def _throttled(self, budget: Budget, answer: Answer) -> Throttled:
        code, message = said(answer)
        now, pause = self._clock.now(), timedelta(seconds=budget.pause())
        until = max(answer.retry_after, now + _LEAST) if answer.retry_after else now + pause
        text = message or answer.text
        return Throttled(
            "DigiCert's rate limit is reached.", until=until, code=code or "429", text=text, stage="response"
        )
