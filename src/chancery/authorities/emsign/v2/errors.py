"""V2's refusals (RFC 7807, with the EMS code inside a text) as instructions to the engine."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.meanings import code_in, refusal
from chancery.authorities.emsign.read import rows, table, word
from chancery.net.redact import scrub
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    Throttled,
    Unreachable,
)
from chancery.sdk.http import Answer

_VERDICTS = frozenset({400, 402, 409, 412, 422})
"""About what was asked for. All others of the 4xx are about the connection, a proxy, our headers or the moment."""
_ROUTE = (
    "Check that the base URL is that of CERTInext's API host (such as https://us-api.certinext.io), without a path."
)


def is_page(answer: Answer) -> bool:
    """Say whether the body is something, but no JSON: a page of a proxy or of a maintenance window."""
    if not answer.body.strip():
        return False
    try:
        answer.json()
    except ProtocolViolation:
        return True
    return False


def away(answer: Answer, *, effect: bool) -> AuthorityError:
    """Return the error for an answer that is not the API's own; after a request with an effect it says nothing."""
    more: dict[str, Any] = {"code": str(answer.status), "text": answer.text, "stage": "response", "bytes_sent": effect}
    if effect:
        return OutcomeUnknown(f"emSign answered {answer.status}, which does not say whether it acted.", **more)
    remedy = "CERTInext may be under maintenance, or a proxy answers in its place; check the base URL if it lasts."
    return Unreachable(f"emSign answered {answer.status}.", remedy=remedy, **more)


def error_of(answer: Answer, *, effect: bool) -> AuthorityError:
    """Return the error for an answer that is none of success."""
    if answer.status == 501 and not effect and not is_page(answer):
        text = "CERTInext does not serve this call yet (501)."
        return ProtocolViolation(text, code="501", text=answer.text, stage="response", bytes_sent=False, remedy=_LATER)
    if answer.status >= 500 or (is_page(answer) and answer.status not in {401, 429}):
        return away(answer, effect=effect)
    said = _said(answer)
    more: dict[str, Any] = {"text": said or answer.text, "stage": "response"}
    if answer.status == 429:
        return Throttled("emSign's rate limit is reached.", until=answer.retry_after, code="429", **more)
    if answer.status in {401, 403}:
        return _denied(answer.status, said, more)
    if 300 <= answer.status < 400:
        return ProtocolViolation("emSign answered with a redirect.", remedy=_ROUTE, **more)
    code = code_in(said)
    if answer.status == 404:
        return _missing(answer, code, more)
    if answer.status not in _VERDICTS or (answer.status == 400 and not said):
        # A bare 400 is what any web server or balancer writes; the API's own says why.
        return away(answer, effect=effect)
    return refusal(code or str(answer.status), said or f"status {answer.status}", more)


_LATER = "Ask emSign when it will be; until then what needs it waits for a person."


def _said(answer: Answer) -> str:
    """Return what a problem says: its detail, its fields, its type; framework errors have words of their own."""
    found = _document(answer)
    # Each by itself: what a text was cut to may end inside a secret, which is only seen at its end.
    fields = [f"{_word(e, 'field', answer)}: {_word(e, 'message', answer)}" for e in rows(found.get("errors"))]
    parts = (
        _word(found, "detail", answer, 600),
        *fields,
        _word(found, "message", answer, 300),
        _word(found, "type", answer),
    )
    said = " ".join(p for p in parts if p and p != "about:blank")
    return (said or _word(found, "title", answer) or _word(found, "error", answer))[:1000]


def _word(found: dict[str, Any], name: str, answer: Answer, most: int = 200) -> str:
    return scrub(word(found.get(name), most), answer.secrets)


def _document(answer: Answer) -> dict[str, Any]:
    try:
        return table(answer.json())
    except ProtocolViolation:
        return {}


def _missing(answer: Answer, code: str, more: dict[str, Any]) -> AuthorityError:
    # A problem of the API has a detail; the framework's own 404, for a path that it does not serve, has none.
    if "detail" not in _document(answer):
        return Unreachable("CERTInext does not have this call at the base URL.", code="404", remedy=_ROUTE, **more)
    return NotFound(
        f"emSign does not know it ({code or 404}).",
        code=code or "404",
        remedy="Check the number in the portal.",
        **more,
    )


def _denied(status: int, said: str, more: dict[str, Any]) -> AuthorityError:
    if status == 403:
        remedy = "Give the credential's user the right for this in the portal, or allow this machine's address."
        return Forbidden("The credential lacks a right for this.", code="403", remedy=remedy, **more)
    code = "ACCESS_TOKEN_REVOKED" if "ACCESS_TOKEN_REVOKED" in said else "401"
    remedy = "Look in the portal whether the credential was revoked; make a new one (auth type OAuth) if so."
    return AuthFailed("emSign refused a fresh token.", code=code, remedy=remedy, **more)
