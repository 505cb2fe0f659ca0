"""One transaction with a CA: every message protected, every answer held against what was asked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from pyasn1_modules import rfc4210

from chancery.core.clock import Clock
from chancery.net.redact import scrub
from chancery.protocols.cmp.message import UNREADABLE, Header, Message, Unreadable, build, decode, read, sequence, whole
from chancery.protocols.cmp.protection import WRONG_MAC, Protection
from chancery.protocols.cmp.settings import CmpSettings, Unprotected
from chancery.protocols.cmp.status import REJECTION, WAITING, Status, Step, is_login, read_status, refusal, said
from chancery.protocols.cmp.transfer import carry
from chancery.sdk.errors import AuthFailed, AuthorityError, OutcomeUnknown, ProtocolViolation
from chancery.sdk.http import Answer, HttpDoor

_NONCE = 16
_TEXT = 1000
_REPLIES = {"ip", "cp", "kup"}
_REMEDY = (
    "Check the settings for protection (secret, trusted certificates, sender). If this CA does not protect its error "
    "messages, the setting for unprotected errors says which to believe."
)


@dataclass(frozen=True)
class Heard:
    """An answer that can be believed: what kind of body, its content, the CA's nonce and its certificates."""

    kind: str
    content: bytes
    nonce: bytes
    certificates: tuple[bytes, ...]
    implicit_confirm: bool
    weak: bool


class Waits(Exception):
    """The CA's error message says that the answer to the whole request is still to come (RFC 9810 5.3.22)."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Conversation:
    """Sends and receives for one transaction. `nonce` is the CA's last one, b'' at the beginning."""

    def __init__(
        self,
        door: HttpDoor,
        settings: CmpSettings,
        protection: Protection,
        clock: Clock,
        transaction: bytes,
        nonce: bytes = b"",
    ) -> None:
        self._door, self._settings, self._protection, self._clock = door, settings, protection, clock
        self.transaction, self.nonce = transaction, nonce
        self.sender = b""
        """GeneralName (DER) of the last sender that was believed."""
        self.unproven = ""
        """What the last refusal said that nothing protected, and that was not about the credential."""

    @property
    def ca(self) -> str:
        """Return what texts call the CA."""
        return self._settings.ca

    def clean(self, text: str) -> str:
        """Return words of the CA, fit for people."""
        return scrub(text, self._door.secrets)[:_TEXT]

    def ask(self, kind: str, content: bytes, step: Step, *, effect: bool = True) -> Heard:
        """Send a body and return the believable answer to it; the CA's refusals are raised as errors, or as `Waits`."""
        nonce = secrets.token_bytes(_NONCE)
        sent = self._written(kind, content, nonce, asks=kind in {"p10cr", "ir", "cr", "kur"})
        answer = carry(self._door, self._settings.path, sent, effect=effect, ca=self._settings.ca)
        try:
            message = read(answer.body)
        except Unreadable as error:
            raise self._senseless(answer, f"something that is no message of CMP ({error})") from None
        if message.transaction != self.transaction or message.answers != nonce:
            raise self._senseless(answer, "a message of another transaction, or the answer to another request")
        return self._judged(message, answer, step)

    def _written(self, kind: str, content: bytes, nonce: bytes, *, asks: bool) -> bytes:
        settings, protection = self._settings, self._protection
        header = Header(
            sender=protection.sender,
            recipient=protection.recipient,
            transaction=self.transaction,
            nonce=nonce,
            time=self._clock.now(),
            algorithm=protection.algorithm(),
            answers=self.nonce,
            key_id=protection.key_id,
            implicit_confirm=asks and settings.implicit_confirm,
            profile=settings.profile if asks else "",
        )
        head, body = build(header, kind, content)
        return whole(head, body, protection.protect(sequence(head, body), header.algorithm), protection.extra)

    def _judged(self, message: Message, answer: Answer, step: Step) -> Heard:
        try:
            flaw = self._protection.flaw(message, self._clock.now())
            status = _bad_status(message)
        except (Unreadable, *UNREADABLE) as error:
            raise self._senseless(answer, f"a message that cannot be read ({str(error)[:100]})") from None
        if flaw is not None:
            raise self._doubtful(message, answer, status, flaw, step)
        self.nonce, self.sender = message.nonce, message.sender
        heard = Heard(
            message.kind,
            message.content,
            message.nonce,
            message.certificates,
            message.implicit_confirm,
            _is_weak(message),
        )
        if status is not None and status.number == WAITING and message.kind == "error":
            raise Waits(said(status, answer.secrets))
        if status is not None:
            verdict = message.kind in _REPLIES
            raise refusal(status, step, self._settings.ca, answer.secrets, of_request=verdict)
        return heard

    def _doubtful(
        self, message: Message, answer: Answer, status: Status | None, flaw: str, step: Step
    ) -> AuthorityError:
        """Return the error for an answer whose protection does not hold."""
        believed = self._settings.unprotected
        ca, sure = self._settings.ca, believed is Unprotected.ALL and not message.protection
        if status is not None and status.number == REJECTION and believed is not Unprotected.NEVER:
            # A refused confirmation would end an order whose certificate is here: never on such a message's word.
            if sure or (is_login(status) and step is not Step.CONFIRM):
                return refusal(status, step, ca, answer.secrets, of_request=message.kind in _REPLIES)
            if flaw == WRONG_MAC and message.kind == "error" and step is not Step.CONFIRM:
                text = f"{ca} refused, and its error message is protected by another shared secret than ours."
                remedy = "Check the shared secret and its reference against those at the CA."
                return AuthFailed(
                    text, remedy=remedy, code=status.code, text=said(status, answer.secrets), stage="response"
                )
            self.unproven = said(status, answer.secrets) or status.code
        words = said(status, answer.secrets) if status is not None else ""
        quoted = f' It says: "{words}"' if words else ""
        text = f"{ca} answered, and its answer is not to be believed: {flaw}.{quoted}"
        kind = OutcomeUnknown if answer.effect else ProtocolViolation
        code = status.code if status is not None else "protection"
        return kind(text, remedy=_REMEDY, code=code, text=words, stage="response", bytes_sent=answer.effect)

    def _senseless(self, answer: Answer, what: str) -> AuthorityError:
        return ProtocolViolation(
            f"{self._settings.ca} answered with {what}.",
            code=str(answer.status),
            text=answer.text,
            stage="response",
            bytes_sent=answer.effect,
            remedy="Check the base URL and the path of CMP at the CA.",
        )

    def unexpected(self, heard: Heard) -> AuthorityError:
        """Return the error for a body that does not belong to what was asked."""
        return ProtocolViolation(
            f"{self._settings.ca} answered with the body {heard.kind}, which does not belong here.",
            code=heard.kind,
            stage="response",
            remedy="Report it to the maker of the CA.",
        )


def _bad_status(message: Message) -> Status | None:
    """Return the status of an error message, or of a reply that rejects; None for all others."""
    if message.kind == "error":
        found = decode(message.content, rfc4210.ErrorMsgContent())
        more = [str(part) for part in found["errorDetails"]] if found["errorDetails"].isValue else []
        code = [f"(error code {int(found['errorCode'])})"] if found["errorCode"].isValue else []
        return read_status(found["pKIStatusInfo"], " ".join(more + code))
    if message.kind in _REPLIES:
        for one in decode(message.content, rfc4210.CertRepMessage())["response"]:
            status = read_status(one["status"])
            if status.number == REJECTION:
                return status
    return None


def _is_weak(message: Message) -> bool:
    """Say whether the answer's MAC rests on SHA-1, the former default of many CAs."""
    weak: tuple[Any, ...] = (bytes.fromhex("06082b06010505080102"), bytes.fromhex("06082a864886f70d0207"))
    return any(oid in message.parameters for oid in weak)
