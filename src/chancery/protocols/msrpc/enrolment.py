"""What the CA's answer to a request means (MS-WCCE section 3.2.1.4.2.1)."""

from __future__ import annotations

from chancery.net.redact import scrub
from chancery.protocols.bundle import climb, pick, serial
from chancery.protocols.cms import Unreadable, certificates
from chancery.protocols.hresult import DENIED_BY_MANAGER, Explain, Refusal, failed
from chancery.protocols.msrpc.calls import Answered
from chancery.protocols.waiting import Waiting, number_of
from chancery.sdk.authority import Request
from chancery.sdk.errors import AuthorityError, OutcomeUnknown, ProtocolViolation, RejectedByPolicy
from chancery.sdk.outcome import Issued, Outcome

_DENIED, _ISSUED, _PENDING, _REVOKED = 2, 3, 5, 6
_TEXT = 1000
REFERENCE = "chancery-request"
"""The attribute with our reference: a CA keeps what it does not know with the row (MS-WCCE section 2.2.2.7)."""
_LOOK = "Look in the CA's database of requests."


def attributes(template: str, reference: str) -> str:
    """Return the attributes of a request, a line each. Names never travel here: they belong into the request itself."""
    lines = [f"CertificateTemplate:{template}"] if template else []
    return "\n".join([*lines, f"{REFERENCE}:{reference}"] if reference else lines)


def outcome(answered: Answered, waiting: Waiting | None, request: Request, explain: Explain) -> Outcome:
    """Return how the request stands. `waiting` is None for the answer to the request itself, which was an act."""
    effect, number = waiting is None, answered.number or (waiting.number if waiting else 0)
    text = scrub(answered.message.strip())[:_TEXT]
    if answered.code:
        raise explain(Refusal(answered.code, text, _denied(answered, effect=effect), effect, number or None))
    if answered.disposition == _PENDING:
        known = number_of(number)
        if known is None:
            raise _open("The CA took the request, and did not say under which number.", text, effect=effect)
        return (waiting.again() if waiting else Waiting(known)).pending(text)
    if answered.disposition == _ISSUED:
        return _issued(answered, number, request, effect=effect)
    raise _ended(answered, text, number, explain, effect=effect)


def _denied(answered: Answered, *, effect: bool) -> bool | None:
    """Say that the CA decided, where a code of failure comes with a new row; else it may come from anywhere.

    A look gives the number of the row itself, and gets it back with whatever went wrong.
    """
    return True if effect and answered.number and failed(answered.code) else None


def _issued(answered: Answered, number: int, request: Request, *, effect: bool) -> Issued:
    try:
        chain = certificates(answered.chain) if answered.chain else []
    except Unreadable:
        chain = []
    found = [answered.certificate, *chain] if answered.certificate else chain
    leaf, others = pick(found, request.spki_sha256)
    if leaf is None:
        raise _open("The CA says that it issued, and its answer holds no certificate.", "", effect=effect)
    above, _ = climb(leaf, others)
    return Issued(leaf, above, str(number or serial(leaf)))


def _ended(answered: Answered, text: str, number: int, explain: Explain, *, effect: bool) -> AuthorityError:
    if answered.disposition == _DENIED:
        return explain(Refusal(DENIED_BY_MANAGER, text, True, effect, number or None))
    if answered.disposition == _REVOKED:
        message = f"Request {number} was issued and has been revoked since."
        return RejectedByPolicy(message, code="revoked", text=text, stage="response", remedy="Order anew.")
    if failed(answered.disposition):
        denied = True if number and effect else None
        return explain(Refusal(answered.disposition, text, denied, effect, number or None))
    return _open(
        f"The CA answered with the disposition {answered.disposition}, which says nothing.", text, effect=effect
    )


def _open(message: str, text: str, *, effect: bool) -> AuthorityError:
    kind = OutcomeUnknown if effect else ProtocolViolation
    return kind(message, code="disposition", text=text, stage="response", bytes_sent=effect, remedy=_LOOK)
