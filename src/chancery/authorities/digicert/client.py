"""CertCentral Services API v2 over the door: headers, and answers turned into instructions (B1.1)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    QuotaExhausted,
    RejectedByPolicy,
    Throttled,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.http import Answer, HttpDoor

_PAUSE = timedelta(seconds=5)
_ID = re.compile(r"[A-Za-z0-9]{1,64}\Z")


def segment(value: object) -> str:
    """Return an id fit for a path; the CA's ids are digits or hex, and anything else is no id."""
    text = str(value)
    if not _ID.match(text):
        raise ProtocolViolation(f"DigiCert gave an id that is none: {text[:40]!r}.", stage="response")
    return text


class Client:
    """One account."""

    def __init__(self, http: HttpDoor, key: Secret, clock: Clock) -> None:
        self._http, self._key, self._clock = http, key, clock

    def get(self, path: str, params: Any = None) -> Any:
        """Read; 5xx and pages that are no JSON mean that the service is away."""
        answer = self._send("GET", path, params=params)
        if answer.status >= 500 or _is_page(answer):
            raise Unreachable(f"DigiCert answered {answer.status}.", text=answer.text, stage="response")
        self._raise_for(answer)
        return answer.json() if answer.body.strip() else {}

    def raw(self, path: str) -> bytes:
        """Read a file."""
        answer = self._send("GET", path)
        if answer.status >= 500:
            raise Unreachable(f"DigiCert answered {answer.status}.", text=answer.text, stage="response")
        self._raise_for(answer)
        return answer.body

    def act(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Do something that has an effect, once. Returns (status, JSON or {})."""
        answer = self._send(method, path, json=body, effect=True)
        if answer.status >= 500 or _is_page(answer):
            raise OutcomeUnknown(
                f"DigiCert answered {answer.status}, which does not say whether it acted.",
                code=str(answer.status),
                text=answer.text,
                stage="response",
            )
        self._raise_for(answer)
        if not answer.body.strip():
            return answer.status, {}
        try:
            return answer.status, answer.json()
        except ProtocolViolation as error:
            raise OutcomeUnknown(error.message, text=error.text, stage="response") from None

    def _send(self, method: str, path: str, **more: Any) -> Answer:
        headers = {"X-DC-DEVKEY": self._key.reveal(), "Accept": "application/json", "Content-Type": "application/json"}
        return self._http.request(method, path, headers=headers, **more)

    def _raise_for(self, answer: Answer) -> None:
        if answer.status < 300:
            return
        code, message = _first_error(answer)
        raise self._error(answer, code, message)

    def _error(self, answer: Answer, code: str, message: str) -> AuthorityError:
        said: dict[str, Any] = {"code": code, "text": message or answer.text, "stage": "response"}
        family = re.split(r"[|:]", code, maxsplit=1)[0]
        if answer.status == 429 or family == "request_limit_exceeded":
            until = answer.retry_after or self._clock.now() + _PAUSE
            return Throttled("DigiCert's rate limit is reached.", until=until, **said)
        if answer.status in {401, 403}:
            return _denied(answer.status, code, said)
        if answer.status == 404:
            return NotFound(f"DigiCert does not know it ({code or 404}).", remedy=_DIVISION, **said)
        if family in {"caa_check_failed", "caa_not_found", "invalid_dns_txt", "file_random_value_not_found"}:
            return ValidationFailed(f"Domain validation is open: {message}", remedy="Correct the DNS record.", **said)
        if "insufficient" in code or "payment" in code or answer.status == 402:
            return QuotaExhausted(f"The account cannot pay for it: {message}", remedy="Add funds at DigiCert.", **said)
        if 300 <= answer.status < 400:
            return ProtocolViolation("DigiCert answered with a redirect.", remedy="Check the base URL.", **said)
        remedy = "Correct the profile's product settings or the request."
        return RejectedByPolicy(f"DigiCert refused it: {message or code}", remedy=remedy, **said)


_DIVISION = "Often the order belongs to another division, or the product id is not the account's."


def _denied(status: int, code: str, said: dict[str, Any]) -> AuthorityError:
    if "missing_permission" in code or "invalid_approver" in code:
        remedy = "Give the key's user the right at DigiCert, or use another key."
        return Forbidden("The API key lacks a right for this.", remedy=remedy, **said)
    remedy = "Check the key, the base URL (US or EU account) and the key's IP restriction."
    return AuthFailed(f"DigiCert refused the API key ({status}).", remedy=remedy, **said)


def _is_page(answer: Answer) -> bool:
    kind = answer.headers.get("content-type", "").lower()
    return answer.status < 300 and answer.body.strip() != b"" and "json" not in kind and "html" in kind


def _first_error(answer: Answer) -> tuple[str, str]:
    try:
        errors = answer.json().get("errors")
    except (ProtocolViolation, AttributeError):
        return "", answer.text[:200]
    if isinstance(errors, dict):
        errors = [errors]
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], dict):
        return "", answer.text[:200]
    texts = [str(e.get("message", "")) for e in errors if isinstance(e, dict)]
    return str(errors[0].get("code", "")), " ".join(texts)[:1000]
