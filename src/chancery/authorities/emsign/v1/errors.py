"""V1's refusals as instructions to the engine. They arrive as HTTP 200 with `meta.status` "0"."""

from __future__ import annotations

import re
from typing import Any

from chancery.authorities.emsign.meanings import code_in, is_telling, refusal
from chancery.authorities.emsign.patience import Patience
from chancery.authorities.emsign.read import word
from chancery.net.redact import scrub
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    Throttled,
    Unreachable,
)
from chancery.sdk.http import Answer

PING = "ValidateCredentials"
_INACTIVE = "inactive account user"
_LOGIN = re.compile(r"(?i)authenti|auth ?key|credential|access key|unauthori[sz]ed|invalid account")
_TWICE = re.compile(
    r"(?i)(duplicate|already used|not unique).{0,40}(txn|transaction)|(txn|transaction).{0,40}(duplicate|already used)"
)
_KEY = "Check account number and access key; the key must be of a credential made in access-key mode."
_HOST = "Check that the base URL is that of CERTInext's API host (such as https://us-api.certinext.io), without a path."


def is_page(answer: Answer) -> bool:
    """Say whether the body is something, but no JSON."""
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
    return Unreachable(f"emSign answered {answer.status}.", remedy=_HOST, **more)


def http_error(answer: Answer, *, effect: bool) -> AuthorityError:
    """Return the error for another status than 200; V1 has few of its own, so most are of what lies before it."""
    status = answer.status
    more: dict[str, Any] = {"code": str(status), "text": answer.text, "stage": "response"}
    if status == 429:
        return Throttled("emSign's rate limit is reached.", until=answer.retry_after, **more)
    if status == 401:
        return AuthFailed("emSign refused the login.", remedy=_KEY, **more)
    if status == 403 and not is_page(answer):
        remedy = "Give the credential's user the right for this in the portal, or allow this machine's address."
        return Forbidden("The credential lacks a right for this.", remedy=remedy, **more)
    if status == 404 and not is_page(answer):
        return Unreachable("CERTInext does not have this method at the base URL.", remedy=_HOST, **more)
    if 300 <= status < 400 and not is_page(answer):
        return ProtocolViolation("emSign answered with a redirect.", remedy=_HOST, **more)
    return away(answer, effect=effect)


def refused(answer: Answer, meta: dict[str, Any], method: str, patience: Patience, *, effect: bool) -> AuthorityError:
    """Return the error for the CA's own no. Codes of a refused login are not published, so words decide where the code tells nothing.

    Words alone would take an organisation whose authentication has expired for a login, and that stops the connector.
    """
    said = scrub(word(meta.get("errorMessage"), 800), answer.secrets)
    code = code_in(word(meta.get("errorCode"))) or scrub(word(meta.get("errorCode"), 60), answer.secrets)
    more: dict[str, Any] = {"text": said or answer.text, "stage": "response"}
    if not code and not said:
        return away(answer, effect=effect)
    if _INACTIVE in said.lower():
        return _inactive(code, patience, more)
    if _TWICE.search(said):
        return _twice(code, more, effect=effect)
    if method == PING or (_LOGIN.search(said) and not is_telling(code)):
        return AuthFailed(f"emSign refused the login: {said or code}", code=code or "login", remedy=_KEY, **more)
    return refusal(code or "0", said or f"code {code}", more)


def _inactive(code: str, patience: Patience, more: dict[str, Any]) -> AuthorityError:
    until = patience.until()
    if until is not None:
        text = "emSign says that the account's user is inactive, which is how it slows down a burst of calls."
        return Throttled(text, until=until, code=code or "inactive", **more)
    return AuthFailed(
        "emSign has been saying for a quarter of an hour that the account's user is inactive.",
        code=code or "inactive",
        remedy="Look in the portal whether the user of the credential was deactivated, and activate it.",
        **more,
    )


def _twice(code: str, more: dict[str, Any], *, effect: bool) -> AuthorityError:
    # Ours are never used twice: so something on the way sent the call again, and the first one was answered to it.
    text = "emSign has had this transaction before: something between here and there sends calls twice."
    remedy = "Look for a proxy or balancer that repeats requests, and have it stop."
    if effect:
        return AlreadyDone(text, code=code or "duplicate", remedy=remedy, **more)
    return ProtocolViolation(text, code=code or "duplicate", remedy=remedy, **more)
