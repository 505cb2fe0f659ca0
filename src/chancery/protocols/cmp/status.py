"""What a CA's status says (PKIStatusInfo, RFC 9810 section 5.2.3), in sentences, and what the engine should do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pyasn1_modules import rfc4210

from chancery.net.redact import scrub
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Unreachable,
)

GRANTED = frozenset({0, 1})
REJECTION, WAITING = 2, 3
REVOKED = frozenset({0, 1, 4, 5})
"""revocationWarning and revocationNotification say that it is, or is about to be."""
_TEXT = 1000


class Step(StrEnum):
    """What was being done when the CA said no."""

    ASK = "ask"
    ENROL = "enrol"
    POLL = "poll"
    CONFIRM = "confirm"
    REVOKE = "revoke"
    POLL_REVOCATION = "poll_revocation"


@dataclass(frozen=True)
class Status:
    """A status: its number, the CA's words, and the names of its failure bits."""

    number: int
    text: str
    failures: tuple[str, ...]
    more: str = ""

    @property
    def code(self) -> str:
        """Return the failure bits, else the number."""
        return ", ".join(self.failures) or f"status {self.number}"


def read_status(info: Any, more: str = "") -> Status:
    """Return the status of a decoded PKIStatusInfo."""
    text = " ".join(str(part) for part in info["statusString"]) if info["statusString"].isValue else ""
    names = {int(number): str(name) for name, number in rfc4210.PKIFailureInfo.namedValues.items()}
    bits = info["failInfo"] if info["failInfo"].isValue else ()
    failures = tuple(names.get(place, f"bit {place}") for place, bit in enumerate(bits) if bit)
    return Status(int(info["status"]), text, failures, more)


_SECRET = "Check the shared secret and its reference, or the connector's certificate and key, against those at the CA."  # noqa: S105  a sentence
_RIGHT = "Have the CA give this credential the right, or use another one."
_ORDER = "Correct the request or the profile at the CA, and order again."
_LOGIN: dict[str, tuple[type[AuthorityError], str, str]] = {
    "badMessageCheck": (AuthFailed, "it cannot verify the protection of our message", _SECRET),
    "wrongIntegrity": (AuthFailed, "it wants another kind of protection (a secret for a signature, or the reverse)", _SECRET),
    "signerNotTrusted": (AuthFailed, "it does not know or trust the certificate that signs our messages", _SECRET),
    "notAuthorized": (Forbidden, "the credential may not do this", _RIGHT),
}  # fmt: skip
_CONNECTOR: dict[str, tuple[type[AuthorityError], str, str]] = {
    "badTime": (AuthFailed, "our message's time is too far from its own", "Set the clocks of this host and of the CA."),
    "missingTimeStamp": (AuthFailed, "it misses a time stamp", "Ask the CA which time stamp it wants."),
    "unsupportedVersion": (Forbidden, "it does not speak version 2 of CMP", "Have CMP version 2 enabled at the CA."),
    "wrongAuthority": (Forbidden, "it is not the CA that our message names", "Correct the CA's name in the settings."),
}
_REQUEST: dict[str, str] = {
    "badAlg": "it does not take the algorithm",
    "badRequest": "it does not allow this kind of request",
    "badDataFormat": "it finds the request malformed",
    "incorrectData": "it finds the data of the request wrong",
    "badPOP": "it does not believe that the requester has the key",
    "badCertTemplate": "it does not take the names or fields of the request",
    "unacceptedPolicy": "it does not certify under the policy asked for",
    "unacceptedExtension": "it does not certify one of the extensions asked for",
    "addInfoNotAvailable": "it cannot have more that it needs for the request",
    "badCertId": "it finds no certificate that fits",
    "certRevoked": "the certificate is revoked",
    "duplicateCertReq": "it has a request for the same already",
}
_AWAY = frozenset({"systemUnavail", "timeNotAvailable"})
"""Of the CA itself, or of the time source that it asks: it refused, and will not always."""
_PASSING = _AWAY | {"systemFailure"}
_REMEDY_LOST = (
    "The CA no longer knows this transaction. Ask it what became of the request (the transaction is the order's "
    "reference), then decide, or order again."
)


def is_login(status: Status) -> bool:
    """Say whether a refusal is about the credential."""
    return any(failure in _LOGIN for failure in status.failures)


def said(status: Status, secrets: Any) -> str:
    """Return the CA's own words, fit for people."""
    words = " ".join(part for part in (status.text, status.more) if part)
    return scrub(words, secrets)[:_TEXT]


def refusal(status: Status, step: Step, ca: str, secrets: Any, *, of_request: bool = True) -> AuthorityError:
    """Return the error for a refusal that can be believed.

    `of_request` says that it is the verdict on the request itself (a reply), not on the message that asked for it: while
    polling, only the first ends an order.
    """
    words = said(status, secrets)
    more: dict[str, Any] = {"code": status.code, "text": words, "stage": "response"}
    quoted = f' It says: "{words}"' if words else ""
    if status.number != REJECTION:
        text = f"{ca} answered with an error whose status ({status.number}) is no rejection.{quoted}"
        return ProtocolViolation(text, remedy="Report it to the maker of the CA.", **more)
    if step is Step.CONFIRM and not _PASSING & set(status.failures):
        return RejectedByPolicy(f"{ca} refused the confirmation ({status.code}).{quoted}", **more)
    for failure in status.failures:
        kind, why, remedy = {**_LOGIN, **_CONNECTOR}.get(failure, (None, "", ""))
        if kind is not None:
            return kind(f"{ca} refused: {why}.{quoted}", remedy=remedy, **more)
    if step is Step.POLL and not of_request and not _PASSING & set(status.failures):
        return NotFound(f"{ca} cannot go on with the request ({status.code}).{quoted}", remedy=_REMEDY_LOST, **more)
    if step is Step.POLL_REVOCATION and not of_request and not _PASSING & set(status.failures):
        # Asked to revoke once more, the CA will say how the certificate stands.
        return OutcomeUnknown(f"{ca} no longer knows the request to revoke ({status.code}).{quoted}", **more)
    special = _special(status, step, ca, quoted, more)
    if special is not None:
        return special
    why = "; ".join(_REQUEST.get(f, f) for f in status.failures) or "it gives no reason"
    return RejectedByPolicy(f"{ca} refused: {why}.{quoted}", remedy=_ORDER, **more)


def _special(status: Status, step: Step, ca: str, quoted: str, more: dict[str, Any]) -> AuthorityError | None:
    failures = set(status.failures)
    if failures & _AWAY:
        return Unreachable(
            f"{ca} is not available.{quoted}", remedy="Wait, or ask the CA.", **{**more, "bytes_sent": False}
        )
    if "systemFailure" in failures:
        return OutcomeUnknown(f"{ca} had a failure of its own while it worked on this.{quoted}", **more)
    if "transactionIdInUse" in failures and step is Step.ENROL:
        return AlreadyDone(f"{ca} knows this transaction already: an earlier try reached it.{quoted}", **more)
    if step is Step.REVOKE and "certRevoked" in failures:
        return AlreadyDone(f"{ca} says that the certificate is revoked already.{quoted}", **more)
    if step is Step.REVOKE and "badCertId" in failures:
        return NotFound(f"{ca} does not know the certificate.{quoted}", remedy="Check which CA issued it.", **more)
    if failures & {"badRecipientNonce", "badSenderNonce", "transactionIdInUse"}:
        return ProtocolViolation(f"{ca} does not take our nonces, or our transaction's number.{quoted}", **more)
    return None
