"""What a CA's refusal means: problem documents (RFC 7807, RFC 8555 section 6.7) as errors of the SDK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chancery.core.secret import Secret
from chancery.net.redact import scrub
from chancery.sdk.answer import Answer
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
    ValidationFailed,
)

PREFIX = "urn:ietf:params:acme:error:"
UNAUTHORIZED = "unauthorized"
NO_ACCOUNT = "accountDoesNotExist"
BAD_KEY = "badPublicKey"
OTHER_KEY = "Make a new request with a key of another type or size."
_LONGEST = 1500
_MOST_SUBPROBLEMS = 10

_POLICY = {
    "caa": "Let the domain's CAA records name this CA, or order from one that they name.",
    "rejectedIdentifier": "Order other names, or ask the CA to allow these.",
    "unsupportedIdentifier": "Leave the names of this kind out.",
    "badCSR": "Make a new request; the CA's text says what it refuses in this one.",
    "badRevocationReason": "Choose another reason.",
    "invalidProfile": "Choose one of the CA's profiles in the profile's settings.",
    "alreadyReplaced": "The certificate has been renewed before; order anew instead.",
}
_GIVEN_UP = {**_POLICY, BAD_KEY: OTHER_KEY}
"""Of the problem that stands in an order: there, a key can only be the request's."""
_VALIDATION = {
    "connection": "Let the CA reach the name on port 80, and see that Chancery answers there.",
    "dns": "Check the name's DNS records, as seen from outside.",
    "dnssec": "Repair the domain's DNSSEC.",
    "tls": "Check the TLS server at the name.",
    "incorrectResponse": "Something else than Chancery answers for the name: check the proxy or the DNS record.",
}
_ACCOUNT = {
    "accountDoesNotExist": "Check the account key and the base URL; with a new key, the account is made by the next order.",
    "externalAccountRequired": "Enter the key id and the HMAC key that the CA shows for external account binding.",
    "badSignatureAlgorithm": "Enter an account key of another type; P-256 is taken by most.",
    # RFC 8555 section 6.7 means the key that signs the message: the account's.
    BAD_KEY: "Enter an account key of another type; P-256 is taken by most.",
}
_LIMITED = "rateLimited"
_VERDICTS = _POLICY.keys() | _VALIDATION.keys()
"""What ends an order, whatever else stands beside it in a compound problem (RFC 8555 section 6.7.1)."""
_CONTACT = "Enter a contact address that the CA takes, or none."
_TERMS = "Read the CA's terms, then tick in the connector's settings that you agree to them."
_BLANK = "about:blank"
"""No more than the status said already (RFC 7807 section 4.2): what lies before the CA writes such documents as well."""
_ON_THE_WAY = frozenset({404, 405, 406, 407, 408, 410, 411, 415, 421, 423, 425, 426, 428, 431})
"""About the address, the connection, a proxy or our headers (RFC 9110, 8470, 6585): no verdict on what was asked for."""
_BASE = "Check that the base URL is the CA's ACME directory, and not a web page or a proxy."


@dataclass(frozen=True)
class Problem:
    """A problem document. `type` has lost ACME's prefix; `about` is the identifier that it concerns.

    `instance` is an address where a person can do something about it (RFC 8555 section 7.3.3).
    """

    type: str
    detail: str
    about: str = ""
    instance: str = ""
    subproblems: tuple[Problem, ...] = ()

    def text(self) -> str:
        """Return all of it as one text for people."""
        parts = [f"{self.about}: {self.detail}" if self.about else self.detail]
        parts += [f"[{p.type}] {p.text()}" for p in self.subproblems]
        return " ".join(part for part in parts if part)

    def types(self) -> Iterator[str]:
        """Return its own type and those of its subproblems."""
        yield self.type
        for one in self.subproblems:
            yield from one.types()


def problem_in(document: Any, secrets: Sequence[Secret] = (), depth: int = 0) -> Problem | None:
    """Read a problem document out of JSON of any shape, without the secrets that it repeats; None where it is none."""
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        return None
    below = document.get("subproblems")
    rows = below[:_MOST_SUBPROBLEMS] if isinstance(below, list) and depth < 2 else []
    about = document.get("identifier")
    return Problem(
        type=scrub(document["type"].removeprefix(PREFIX), secrets)[:100],
        detail=scrub(str(document.get("detail") or ""), secrets)[:_LONGEST],
        about=scrub(str(about.get("value") or ""), secrets)[:255] if isinstance(about, dict) else "",
        instance=scrub(str(document.get("instance") or ""), secrets)[:300],
        subproblems=tuple(p for p in (problem_in(row, secrets, depth + 1) for row in rows) if p is not None),
    )


def refusal(answer: Answer, *, ends: bool) -> AuthorityError:
    """Return what an answer of 400 and above means. `ends` says that a plain no ends the order that it is about."""
    found = problem_in(_json(answer), answer.secrets)
    types = set(found.types()) if found is not None else set()
    if answer.status == 429 or (_LIMITED in types and not types & _VERDICTS):
        return Throttled(
            "The CA asks for patience.",
            until=answer.retry_after,
            **_said(answer, found),
            remedy="Nothing need be done.",
        )
    if found is not None and found.type == "badNonce":
        return Unreachable(
            "The CA refused every nonce that it had given.", **{**_said(answer, found), "bytes_sent": False}
        )
    if answer.status >= 500 or ("serverInternal" in types and not types & _VERDICTS):
        return _broken(answer, found)
    if found is None or found.type == _BLANK:
        return _no_document(answer)
    return of_problem(found, answer, ends=ends)


def of_problem(found: Problem, answer: Answer, *, ends: bool) -> AuthorityError:
    """Return what a problem document means, wherever it stood; the CA's text goes along."""
    said = _said(answer, found)
    for kind, table in ((RejectedByPolicy, _POLICY), (ValidationFailed, _VALIDATION), (AuthFailed, _ACCOUNT)):
        hit = next((t for t in found.types() if t in table), None)
        if hit is not None:
            return kind(_sentence(found), **{**said, "code": hit}, remedy=table[hit])
    if "userActionRequired" in found.types():
        remedy = f"Open {found.instance} and do what the CA asks for there." if found.instance else _TERMS
        return Forbidden(_sentence(found), **said, remedy=remedy)
    if {"invalidContact", "unsupportedContact"} & set(found.types()):
        return Forbidden(_sentence(found), **said, remedy=_CONTACT)
    if found.type == "alreadyRevoked":
        return AlreadyDone("The certificate is revoked already.", **said)
    if found.type == "orderNotReady":
        return ProtocolViolation("The CA says that the order is not ready.", **said)
    if found.type == UNAUTHORIZED or answer.status in {401, 403}:
        remedy = "Look at the account at the CA: is it active, and may it order these names and revoke?"
        closed = AuthFailed if answer.status == 401 else Forbidden
        return closed(_sentence(found), **said, remedy=remedy)
    if ends and answer.status not in _ON_THE_WAY:
        return RejectedByPolicy(_sentence(found), **said)
    return ProtocolViolation(_sentence(found), **said)


def _sentence(found: Problem) -> str:
    return f"The CA refused ({found.type})."


def _broken(answer: Answer, found: Problem | None) -> AuthorityError:
    text = f"The CA answered {answer.status}."
    if answer.effect:
        return OutcomeUnknown(text, **_said(answer, found))
    return Unreachable(text, **_said(answer, found), remedy="It is tried again.")


def _no_document(answer: Answer) -> AuthorityError:
    said = _said(answer, None)
    if answer.status == 401:
        return AuthFailed("The CA, or a proxy, wants a login.", **said, remedy=_BASE)
    if answer.status == 403:
        return Forbidden("The CA, or a proxy, forbids this.", **said, remedy=_BASE)
    return ProtocolViolation(f"The CA answered {answer.status} without saying why.", **said, remedy=_BASE)


def _json(answer: Answer) -> Any:
    try:
        return answer.json()
    except ProtocolViolation:
        return None


def _said(answer: Answer, found: Problem | None) -> dict[str, Any]:
    text = found.text() if found is not None else answer.text
    code = found.type if found is not None else str(answer.status)
    return {"code": code, "text": text, "stage": "response", "bytes_sent": answer.effect}


def verdict(found: Problem, *, of_name: bool = False) -> AuthorityError:
    """Return why an order came to nothing, by the problem that stands in it. It is over: nothing is left to wait for.

    `of_name` says that the problem stood in a challenge: there, everything but a matter of policy is a failed
    validation, `unauthorized` as well (RFC 8555 section 8).
    """
    said: dict[str, Any] = {
        "code": found.type,
        "text": found.text(),
        "stage": "response",
    }
    about = f" for {found.about}" if found.about else ""
    hit = next((t for t in found.types() if t in _GIVEN_UP), None)
    if hit is not None:
        return RejectedByPolicy(f"The CA refused the order{about} ({hit}).", **said, remedy=_GIVEN_UP[hit])
    hit = next((t for t in found.types() if t in _VALIDATION), None)
    if hit is not None or of_name or found.type == UNAUTHORIZED:
        remedy = _VALIDATION.get(
            hit or "", "Compare what the CA says it saw with what should be there, and order again."
        )
        return ValidationFailed(f"The CA could not validate the names{about} ({found.type}).", **said, remedy=remedy)
    return RejectedByPolicy(f"The CA gave the order up ({found.type}).", **said, remedy="Order again.")
