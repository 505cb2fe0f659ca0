"""What a CA's no means: failInfo (RFC 8894 section 3.2.1.4), and statuses of HTTP."""

from __future__ import annotations

from typing import Any

from chancery.core.secret import Secret
from chancery.net.redact import scrub
from chancery.protocols.scep.message import CertRep, Kind
from chancery.sdk.answer import Answer
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
)

_PLACE = "Check the base URL and the path of the SCEP service."
_USUAL = (
    "Usual: a wrong or used-up challengePassword, names that are not allowed, or a CA that wants the request's own key "
    "to sign the message, which is not ours to have. The CA's log says which."
)
_SENTENCES: dict[str, tuple[type[AuthorityError], str, str]] = {
    "0": (
        RejectedByPolicy,
        "The CA does not take an algorithm of the request or of our message (badAlg).",
        "Ask for a kind of key that the CA takes; RSA works everywhere. Check what ciphers the CA announces.",
    ),
    "1": (
        Forbidden,
        "The CA could not decrypt our message, or does not accept its signature (badMessageCheck).",
        "Check that the CA knows our transport certificate, and that its own registration certificates have not expired.",
    ),
    "2": (
        RejectedByPolicy,
        "The CA refused the request (badRequest).",
        _USUAL,
    ),
    "3": (
        Forbidden,
        "The CA finds the time in our message too far from its own (badTime).",
        "Check the clocks of both machines (NTP).",
    ),
    "4": (
        RejectedByPolicy,
        "The CA finds no certificate that fits (badCertId).",
        "For a renewal: the CA does not know the certificate that is to be renewed.",
    ),
}
"""failInfo → error, sentence, remedy. What is wrong with our key, certificate or clock is the connector's fault."""


def refused(reply: CertRep, secrets: tuple[Secret, ...], kind: Kind) -> AuthorityError:
    """Return the error for a signed FAILURE; `secrets` are kept out of the CA's text."""
    unknown = (RejectedByPolicy, f"The CA refused it (failInfo {reply.fail_info or 'missing'}).", "See the CA's log.")
    error, sentence, remedy = _SENTENCES.get(reply.fail_info, unknown)
    said = scrub(reply.fail_text, secrets)[:1000]
    more: dict[str, Any] = {"code": f"failInfo {reply.fail_info}", "text": said, "stage": "response"}
    if kind is Kind.CERT_POLL and reply.fail_info == "4":
        return NotFound(
            "The CA does not know this transaction (any more).",
            remedy="Look in the CA's own list for a certificate for this key.",
            **more,
        )
    return error(sentence + (f" It says: {said[:500]}" if said else ""), remedy=remedy, **more)


def refusal(answer: Answer) -> AuthorityError:
    """Return the error for a status of HTTP other than 200. Nothing of it is signed: none of it ends an order."""
    more: dict[str, Any] = {"text": answer.text, "stage": "response", "bytes_sent": answer.effect}
    status, code = answer.status, str(answer.status)
    if status == 401:
        remedy = "SCEP itself has no login: something before the CA asks for one. Have this machine let through."
        return AuthFailed("The server wants a login (401).", code=code, remedy=remedy, **more)
    if status == 403:
        remedy = (
            "The server may accept certain addresses only, or stand behind a filter: have this machine let through."
        )
        return Forbidden("The server does not allow it (403).", code=code, remedy=remedy, **more)
    if status == 429:
        return Throttled("The server asks for patience.", until=answer.retry_after, code=code, **more)
    if status in {404, 405, 501} or 300 <= status < 400:
        message = f"There is no such SCEP service: the server answered {status}."
        return Unreachable(message, code=code, remedy=_PLACE, **more)
    if not answer.effect:
        return Unreachable(f"The SCEP server answered {status}.", code=code, remedy=_PLACE, **more)
    message = f"The SCEP server answered {status}, which does not say what became of the request."
    return OutcomeUnknown(message, code=code, remedy="Look into the CA's log.", **more)


def senseless(answer: Answer, message: str) -> AuthorityError:
    """Return the error for an answer that cannot be believed: after an act, nobody knows what was done."""
    kind = OutcomeUnknown if answer.effect else ProtocolViolation
    more: dict[str, Any] = {"text": answer.text, "stage": "response", "bytes_sent": answer.effect}
    return kind(message, code="senseless", remedy=_PLACE, **more)
