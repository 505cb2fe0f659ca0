"""What an EST server's answers mean (RFC 7030 sections 4.1.3 and 4.2.3, RFC 8951 section 3)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from chancery.protocols.cms import Unreadable, certificates
from chancery.sdk.answer import Answer
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
)

_SEQUENCE = 0x30
_CREDENTIAL = "Check user name and password, or the client certificate and whether the CA has it on its list."
_VERDICTS = frozenset({400, 413, 422})
"""About the request itself. 409 may mean that it is there already; all others of the 4xx are about the connection, a proxy,
our headers or the moment (RFC 9110, 4918, 6585, 7725, 8470): the CA did not judge the request."""
_PLACE = "Check the base URL, the path and the label of the EST service."


def body_of(answer: Answer) -> bytes:
    """Return the DER of an answer: Base64 with white space anywhere, whatever Content-Transfer-Encoding says.

    RFC 8951 section 3 has receivers ignore that header. A server that sends the DER itself is understood too.
    Raises `Unreadable`.
    """
    raw = answer.body.strip()
    if raw[:1] == bytes([_SEQUENCE]) and answer.body[:1] == raw[:1] and not raw.isascii():
        return answer.body
    try:
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("it is no Base64") from None


def certificates_in(answer: Answer) -> list[bytes]:
    """Return the certificates (DER) of a certificates-only answer; raises an error that fits whether it was an act."""
    try:
        found = certificates(body_of(answer))
    except Unreadable as error:
        raise senseless(answer, f"The answer holds no certificates: {error}.") from None
    if not found:
        raise senseless(answer, "The answer holds no certificate.")
    return found


def senseless(answer: Answer, message: str) -> AuthorityError:
    """Return the error for an answer that cannot be read: after an act, nobody knows what was done."""
    kind = OutcomeUnknown if answer.effect else ProtocolViolation
    return kind(message, remedy=_PLACE, **_said(answer))


def busy(answer: Answer) -> AuthorityError:
    """Return the error for a poll that was not handled (RFC 9110 section 15.6.4): the request waits on."""
    return Unreachable(
        "The EST server is busy or under maintenance (503).", remedy="It is asked again.", **_said(answer)
    )


def refusal(answer: Answer) -> AuthorityError:
    """Return the error for a status other than the one that was hoped for.

    A refusal of the request itself is believed where it is plain text, as RFC 7030 section 4.2.3 has it: the web page
    of a proxy ends no order.
    """
    status, said = answer.status, _said(answer)
    if status == 401:
        return AuthFailed("The EST server refused the login (401).", remedy=_login_remedy(answer), **said)
    if status == 403:
        remedy = "Give this account the right to enrol under this label at the CA; it may also bind it to an address."
        return Forbidden("The EST server does not allow it (403).", remedy=remedy, **said)
    if status == 429:
        return Throttled("The EST server asks for patience.", until=answer.retry_after, **said)
    if status in {404, 405, 410, 501} or 300 <= status < 400:
        return Unreachable(f"There is no such EST service: the server answered {status}.", remedy=_PLACE, **said)
    if status in _VERDICTS and not _is_page(answer):
        return RejectedByPolicy(
            f"The CA refused the request ({status})." + (f" {said['text'][:500]}" if said["text"] else ""),
            remedy="Correct the request, or have the CA's profile for this label changed.",
            **said,
        )
    message = f"The EST server answered {status}, which does not say what became of the request."
    if not answer.effect:
        return Unreachable(f"The EST server answered {status}.", remedy="It may be under maintenance.", **said)
    return OutcomeUnknown(message, remedy="Look in the CA's own list of requests.", **said)


def _said(answer: Answer) -> dict[str, Any]:
    return {"code": str(answer.status), "text": answer.text, "stage": "response", "bytes_sent": answer.effect}


def _is_page(answer: Answer) -> bool:
    return "html" in answer.headers.get("content-type", "").lower() or b"<html" in answer.body[:1000].lower()


def _login_remedy(answer: Answer) -> str:
    asked = answer.headers.get("www-authenticate", "").lower()
    if "digest" in asked and "basic" not in asked:
        return "The server takes HTTP Digest only. Have Basic enabled for this account, or use a client certificate."
    return _CREDENTIAL
