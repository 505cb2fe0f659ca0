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

BAD_ALG = "0"
_PLACE = "Check the base URL and the path of the SCEP service."
_USUAL = (
    "Usual: a wrong or used-up challengePassword, names that are not allowed, or a CA that wants the request's own key "
    "to sign the message, which is not ours to have. The CA's log says which."
)
_No = tuple[type[AuthorityError], str, str]
_MESSAGE_CHECK: _No = (
    Forbidden,
    "The CA could not decrypt our message, or does not accept its signature (badMessageCheck).",
    "Check that the CA knows our transport certificate, and that its own registration certificates have not expired.",
)
_TIME: _No = (
    Forbidden,
    "The CA finds the time in our message too far from its own (badTime).",
    "Check the clocks of both machines (NTP).",
)
_OUR_ALGORITHM: _No = (
    Forbidden,
    "The CA does not take an algorithm of our message (badAlg).",
    "Compare the ciphers and digests that the CA takes with what it announces, and with the connector's settings.",
)
_OF_REQUEST: dict[str, _No] = {
    "0": (
        RejectedByPolicy,
        "The CA does not take an algorithm of the request or of our message (badAlg).",
        "Ask for a kind of key that the CA takes; RSA works everywhere. Check what ciphers the CA announces.",
    ),
    "1": _MESSAGE_CHECK,
    "2": (RejectedByPolicy, "The CA refused the request (badRequest).", _USUAL),
    "3": _TIME,
    "4": (
        RejectedByPolicy,
        "The CA finds no certificate that fits (badCertId).",
        "The CA does not know the certificate that is to be renewed, or that which signs our messages.",
    ),
}
"""failInfo of an answer to PKCSReq or RenewalReq → error, sentence, remedy. FAILURE says that the request is rejected
(section 3.2.1.3); but what is wrong with our key, certificate or clock is the connector's fault."""
_OF_POLL: dict[str, _No] = {
    "0": _OUR_ALGORITHM,
    "1": _MESSAGE_CHECK,
    "2": (RejectedByPolicy, "The CA refused the request (badRequest).", _USUAL),
    "3": _TIME,
    "4": (
        NotFound,
        "The CA does not know this transaction (any more).",
        "Look in the CA's own list for a certificate for this key.",
    ),
}
"""The same of an answer to CertPoll, which carries no request: only *transaction not permitted* can be the verdict on the
one that the CA has. Everything else is about our question, and the order waits on."""


def refused(reply: CertRep, secrets: tuple[Secret, ...], kind: Kind, *, announced: bool = True) -> AuthorityError:
    """Return the error for a signed FAILURE; `secrets` are kept out of the CA's text.

    `announced` says that the algorithms of our message were chosen from what the CA itself announces: then badAlg can
    only be about the request's own.
    """
    polled = kind is Kind.CERT_POLL
    missing = f"failInfo {reply.fail_info or 'missing'}"
    unknown: _No = (RejectedByPolicy, f"The CA refused it ({missing}).", "See the CA's log.")
    if polled:
        text = f"The CA refused to say how the request stands ({missing})."
        unknown = (ProtocolViolation, text, "See the CA's log. If it refused the request there, cancel the order.")
    error, sentence, remedy = (_OF_POLL if polled else _OF_REQUEST).get(reply.fail_info, unknown)
    if reply.fail_info == BAD_ALG and not announced:
        error, sentence, remedy = _OUR_ALGORITHM
    said = scrub(reply.fail_text, secrets)[:1000]
    more: dict[str, Any] = {"code": f"failInfo {reply.fail_info}", "text": said, "stage": "response"}
    return error(sentence + (f" It says: {said[:500]}" if said else ""), remedy=remedy, bytes_sent=not polled, **more)


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
