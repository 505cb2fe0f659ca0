"""SOAP faults and answers that are none, made into the errors of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chancery.net.redact import scrub
from chancery.protocols.hresult import Explain, Refusal
from chancery.protocols.waiting import number_of
from chancery.protocols.wstep.document import Element, named
from chancery.protocols.wstep.names import ENROLLMENT, SOAP
from chancery.sdk.answer import Answer
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    Throttled,
    Unreachable,
)

_PLACE = "Check the address of the web service: it ends in service.svc/CES or service.svc/CEP, for the chosen login."
_LOOK = "Look in the CA's list of requests before anything is sent again."
_LOGIN = "Check user name, password and this machine's clock: a message is good for five minutes."
_WORD = 0xFFFF_FFFF
_DIGITS = 11
_TEXT = 1000
# WS-Security 1.0 section 12 and WS-Trust section 11; the first two are also what Windows' web services answer with.
_LOGIN_FAULTS = frozenset(
    {
        "InvalidSecurity",
        "FailedAuthentication",
        "InvalidSecurityToken",
        "FailedCheck",
        "SecurityTokenUnavailable",
        "MessageExpired",
    }
)
_NO_ACCESS = "AccessDenied"
_NOT_DONE = frozenset({"ActionNotSupported", "DestinationUnreachable", "EndpointUnavailable"})


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: the local names of its codes, the outermost first, and its text.

    `code` is the CA's HRESULT, `denied` whether the CA denied the request (MS-WSTEP section 3.1.4.1.3.2), `request` its
    number; None where the service does not say.
    """

    codes: tuple[str, ...]
    text: str
    code: int | None = None
    denied: bool | None = None
    request: int | None = None

    @classmethod
    def read(cls, element: Element) -> Fault:
        """Return the fault; whatever of it is absent or senseless is None."""
        reason = element.value(named(SOAP, "Reason"), named(SOAP, "Text"))
        found = element.find(named(SOAP, "Detail"), named(ENROLLMENT, "CertificateEnrollmentWSDetail"))
        codes = _codes(element.find(named(SOAP, "Code")))
        if found is None:
            return cls(codes, reason)
        return cls(
            codes,
            reason,
            _signed(found.value(named(ENROLLMENT, "ErrorCode"))),
            {"true": True, "1": True, "false": False, "0": False}.get(found.value(named(ENROLLMENT, "InvalidRequest"))),
            number_of(found.value(named(ENROLLMENT, "RequestID"))),
        )


def _codes(element: Element | None) -> tuple[str, ...]:
    found: list[str] = []
    while element is not None and len(found) < 5:
        found.append(element.value(named(SOAP, "Value")).rpartition(":")[2])
        element = element.find(named(SOAP, "Subcode"))
    return tuple(found)


def _signed(text: str) -> int | None:
    """Return an HRESULT that is written as a signed number of 32 bits."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < _DIGITS):
        return None
    return int(text) & _WORD


def refused(answer: Answer, fault: Fault, explain: Explain) -> AuthorityError:
    """Return the error for a fault."""
    text = scrub(fault.text, answer.secrets)[:_TEXT]
    if fault.code is not None:
        return explain(Refusal(fault.code, text, fault.denied, answer.effect, fault.request))
    said = {**_said(answer), "text": text, "code": next((c for c in reversed(fault.codes) if c), str(answer.status))}
    if _LOGIN_FAULTS & set(fault.codes):
        return AuthFailed(f"The service refused the login ({said['code']}).", remedy=_LOGIN, **said)
    if _NO_ACCESS in fault.codes:
        return Forbidden("The service does not let this account in.", remedy=_rights(), **said)
    if _NOT_DONE & set(fault.codes):
        return Unreachable(f"The service does not take this message ({said['code']}).", remedy=_PLACE, **said)
    if answer.effect:
        message = "The service failed without saying what became of the request."
        return OutcomeUnknown(message, remedy=_LOOK, **said)
    return ProtocolViolation("The service failed without a reason.", remedy="Look in the server's event log.", **said)


def unanswered(answer: Answer) -> AuthorityError:
    """Return the error for an answer that is no SOAP message, by its HTTP status."""
    status, said = answer.status, _said(answer)
    if status == 401:
        return AuthFailed("The web server refused the login (401).", remedy=_asked(answer), **said)
    if status == 403:
        return Forbidden("The web server does not let this account in (403).", remedy=_rights(), **said)
    if status == 429:
        return Throttled("The web server asks for patience.", until=answer.retry_after, **said)
    if status in {404, 405, 410} or 300 <= status < 400:
        return Unreachable(f"There is no such service: the web server answered {status}.", remedy=_PLACE, **said)
    if answer.effect:
        message = f"The web server answered {status} with something that is no SOAP message."
        return OutcomeUnknown(message, remedy=_LOOK, **said)
    if status >= 500:
        return Unreachable(f"The web server answered {status}.", remedy="It may be under maintenance.", **said)
    return senseless(answer, f"The web server answered {status} with something that is no SOAP message.")


def senseless(answer: Answer, message: str) -> AuthorityError:
    """Return the error for an answer that cannot be read: after an act, nobody knows what was done."""
    kind = OutcomeUnknown if answer.effect else ProtocolViolation
    return kind(message, remedy=_LOOK if answer.effect else _PLACE, **_said(answer))


def _said(answer: Answer) -> dict[str, Any]:
    return {"code": str(answer.status), "text": answer.text, "stage": "response", "bytes_sent": answer.effect}


def _rights() -> str:
    return "Let the account of this connector use the web service, in its authorisation rules on the server."


def _asked(answer: Answer) -> str:
    """Say which logins the server offers: a client that silently tries none is hard to mend."""
    offered = scrub(answer.headers.get("www-authenticate", ""), answer.secrets)[:200]
    if not offered:
        return f"{_LOGIN} The server offers no HTTP login; is this the address for another kind of login?"
    return f"The server offers: {offered}. Choose that login for this connector, or the address for user name and password."
