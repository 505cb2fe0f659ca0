"""A client of the Certificate Management Protocol: enrol, poll, confirm, revoke, ask (RFC 9810, RFC 9483, RFC 9811).

What a lost answer means. The transaction's identifier is made from the order's reference, so a CA that still has the
transaction open says of a second try that the identifier is in use: that is `AlreadyDone`. But a CA may forget a
transaction as soon as it is over, and RFC 9810 has no question that finds a certificate again. So neither is a second
try safe, nor is a search possible: an authority that speaks CMP declares `Dedup.NONE` and no search, and a lost answer
to a request is decided by a person, who finds the transaction's identifier in `transaction_of`. What comes after the
first answer is safe: polling and confirming go on from the stored state.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cryptography import x509
from pyasn1_modules import rfc4210

from chancery.core.clock import Clock
from chancery.core.names import Name
from chancery.core.order import RevocationReason
from chancery.protocols.bundle import climb
from chancery.protocols.cmp import bodies, names, oids
from chancery.protocols.cmp.confirm import confirm
from chancery.protocols.cmp.conversation import Conversation, Heard, Waits
from chancery.protocols.cmp.grant import Grant, read_grant
from chancery.protocols.cmp.message import UNREADABLE, Unreadable, decode, parts_of
from chancery.protocols.cmp.progress import Progress
from chancery.protocols.cmp.protection import Protection
from chancery.protocols.cmp.settings import CmpSettings, Credential, RequestKind
from chancery.protocols.cmp.signatures import Unusable
from chancery.protocols.cmp.status import GRANTED, REVOKED, WAITING, Status, Step, read_status, refusal, said
from chancery.sdk.authority import Request, Target
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
)
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Outcome, Pending, PendingKind, PollState, RevocationPending, Revoked

_TRANSACTION = 16
_FIRST_LOOK = timedelta(seconds=5)
_VOUCHING = "Have the CA let this connector vouch for keys, as a registration authority does, or choose p10cr."
_MOST_QUESTIONS = 5
"""For a missing issuer; after them the certificate is handed over as it is, and the engine says what it lacks."""
_GRANTS = {"p10cr": "cp", "cr": "cp", "ir": "ip", "kur": "kup"}


@dataclass(frozen=True)
class Support:
    """What the CA told of itself: its certificates (DER), and `sender`, the common name of who answered, if believed.

    `answered` is False where it refused the question; `proven` where it did so, or answered, by a protected message: it
    knows the credential. `weak` says that its MAC rests on SHA-1.
    """

    certificates: tuple[bytes, ...] = ()
    sender: str = ""
    answered: bool = True
    proven: bool = True
    weak: bool = False
    text: str = ""


def transaction_of(reference: str) -> bytes:
    """Return the transactionID of an order: 16 octets that depend on its reference alone."""
    return hashlib.sha256(f"cmp:{reference}".encode()).digest()[:_TRANSACTION]


class CmpClient:
    """One connector at one CA. Construction opens nothing; unusable settings are said at the first call."""

    def __init__(self, door: HttpDoor, settings: CmpSettings, credential: Credential, clock: Clock) -> None:
        self._door, self.settings, self._credential, self._clock = door, settings, credential, clock
        self._made: Protection | None = None

    # Enrolment ---------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate of a PKCS#10 request, once. Raises the errors of the SDK."""
        kind = self.settings.request
        until = request.intended_at + request.validity
        if kind is RequestKind.P10CR:
            return self._enrol(str(kind), request.csr, request.reference, request.spki_sha256)
        try:
            content = bodies.verified(request.csr, until)
            return self._enrol(str(kind), content, request.reference, request.spki_sha256)
        except RejectedByPolicy as error:
            if "badPOP" not in error.code:
                raise
            # There is no proof in it but our word (raVerified, RFC 9810 section 4.1): it is this that is not believed.
            raise Forbidden(
                error.message, code=error.code, text=error.text, stage=error.stage, remedy=_VOUCHING
            ) from None

    def enrol(
        self, kind: str, key: Any, reference: str, wanted: Sequence[Name], replaces: x509.Certificate | None = None
    ) -> Outcome:
        """Ask for a certificate for a key that the connector itself holds, with its signature as proof.

        `kind` is ir, cr or kur; `key` a private key; `wanted` the names of the certificate, the first one its common name.
        kur updates the certificate `replaces`, and is signed with that certificate (RFC 9483 section 4.1.3).
        """
        content = bodies.own(key, wanted, wanted[0].value, replaces)
        return self._enrol(kind, content, reference, bodies.spki(key))

    def _enrol(self, kind: str, content: bytes, reference: str, spki: str) -> Outcome:
        talk = self._talk(transaction_of(reference))
        try:
            heard = talk.ask(kind, content, Step.ENROL)
        except Waits as waits:
            return _waiting(talk, bodies.WHOLE, waits.text, _FIRST_LOOK)
        if heard.kind != _GRANTS[kind]:
            raise talk.unexpected(heard)
        return self._granted(talk, heard, spki)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Go on with a transaction: poll for the certificate, or confirm it once more."""
        return self.go_on(state, request.spki_sha256)

    def go_on(self, state: PollState, spki: str) -> Outcome:
        """Go on with a transaction for a public key (SHA-256, hex)."""
        progress = Progress.read(state)
        talk = self._talk(progress.transaction, progress.nonce)
        if progress.step == "chain":
            return self._finished(progress)
        if progress.step == "confirm":
            return confirm(talk, progress, spki, self.settings.ca) or self._finished(replace(progress, tries=0))
        try:
            heard = talk.ask("pollReq", bodies.polling(progress.number), Step.POLL)
        except Waits as waits:
            return _waiting(talk, progress.number, waits.text, _FIRST_LOOK)
        if heard.kind == "pollRep":
            after, text = _patience(talk, heard)
            return _waiting(talk, progress.number, text, after)
        if heard.kind not in _GRANTS.values():
            raise talk.unexpected(heard)
        return self._granted(talk, heard, spki)

    def _granted(self, talk: Conversation, heard: Heard, spki: str) -> Outcome:
        grant = _grant(talk, heard)
        if grant.waits:
            return _waiting(talk, grant.number, said(grant.status, self._door.secrets), _FIRST_LOOK)
        if not grant.leaf or grant.status.number not in GRANTED:
            text = f"{self.settings.ca} says that it granted the request, and sends no certificate."
            raise OutcomeUnknown(text, code=grant.status.code, stage="response")
        made = Progress("confirm", talk.transaction, talk.nonce, grant.number, grant.leaf, grant.others)
        if heard.implicit_confirm and self.settings.implicit_confirm:
            return self._finished(made)
        return confirm(talk, made, spki, self.settings.ca) or self._finished(made)

    def _finished(self, progress: Progress) -> Outcome:
        """Return the certificate with its issuers; where the CA sent none, it is asked for them."""
        chain, whole = climb(progress.leaf, progress.chain)
        if not chain and not whole:
            try:
                chain, _ = climb(progress.leaf, (*progress.chain, *self.support().certificates))
            except AuthorityError as error:
                if progress.tries < _MOST_QUESTIONS:
                    return progress.unchained(error.message)
        return replace(progress, chain=chain).issued()

    # Revocation --------------------------------------------------------------------------------------

    def revoke(self, target: Target, reason: RevocationReason) -> Revoked | RevocationPending:
        """Ask to revoke one certificate, by its issuer and serial number."""
        issuer = x509.load_der_x509_certificate(target.certificate).issuer.public_bytes()
        talk = self._talk(secrets.token_bytes(_TRANSACTION))
        try:
            heard = talk.ask("rr", bodies.revocation(issuer, int(target.serial, 16), reason), Step.REVOKE)
        except Waits as waits:
            return _revoking(talk, waits.text, _FIRST_LOOK)
        return self._revoked(talk, heard)

    def poll_revocation(self, state: PollState) -> Revoked | RevocationPending:
        """Poll for the answer to a revocation (RFC 9810 section 5.3.22: any request may have to wait)."""
        progress = Progress.read(state)
        talk = self._talk(progress.transaction, progress.nonce)
        try:
            heard = talk.ask("pollReq", bodies.polling(bodies.WHOLE), Step.POLL_REVOCATION)
        except Waits as waits:
            return _revoking(talk, waits.text, _FIRST_LOOK)
        if heard.kind == "pollRep":
            after, text = _patience(talk, heard)
            return _revoking(talk, text, after)
        return self._revoked(talk, heard)

    def _revoked(self, talk: Conversation, heard: Heard) -> Revoked | RevocationPending:
        if heard.kind != "rp":
            raise talk.unexpected(heard)
        status = _revocation_status(talk, heard)
        words = said(status, self._door.secrets)
        if status.number == WAITING:
            return _revoking(talk, words, _FIRST_LOOK)
        if status.number not in REVOKED:
            raise refusal(status, Step.REVOKE, self.settings.ca, self._door.secrets)
        return Revoked(words)

    # Asking ------------------------------------------------------------------------------------------

    def support(self) -> Support:
        """Ask for the CA's certificates (RFC 9810 section 5.3.19.14): harmless, and it shows whether the credential is known.

        Raises what a refused credential or an unreachable CA raises; a refusal of the question alone is told as such.
        """
        talk = self._talk(secrets.token_bytes(_TRANSACTION))
        try:
            heard = talk.ask("genm", bodies.question(oids.CA_CERTS), Step.ASK, effect=False)
        except RejectedByPolicy as error:
            return Support(sender=names.common(talk.sender), answered=False, text=error.message)
        except Waits as waits:
            return Support(sender=names.common(talk.sender), answered=False, text=waits.text)
        except ProtocolViolation:
            if talk.unproven:
                return Support(answered=False, proven=False, text=talk.unproven)
            raise
        if heard.kind != "genp":
            raise talk.unexpected(heard)
        return Support(_told(talk, heard), names.common(talk.sender), weak=heard.weak)

    def _talk(self, transaction: bytes, nonce: bytes = b"") -> Conversation:
        if self._made is None:
            try:
                self._made = Protection(self.settings, self._credential)
            except Unusable as why:
                remedy = "Correct the connector's settings."
                raise AuthFailed(
                    str(why), stage="request", bytes_sent=False, remedy=remedy, code="credential"
                ) from None
        return Conversation(self._door, self.settings, self._made, self._clock, transaction, nonce)


def _waiting(talk: Conversation, number: int, text: str, after: timedelta) -> Pending:
    told = f"Waits at the CA: {text}" if text else "Waits at the CA, which does not say for what."
    return Progress("poll", talk.transaction, talk.nonce, number).pending(PendingKind.PROCESSING, after, told)


def _revoking(talk: Conversation, text: str, after: timedelta) -> RevocationPending:
    pending = _waiting(talk, bodies.WHOLE, text, after)
    return RevocationPending(pending.state, pending.next_check, pending.text)


def _grant(talk: Conversation, heard: Heard) -> Grant:
    try:
        return read_grant(heard.content, heard.certificates)
    except Unreadable as error:
        raise _unread(talk, heard, error) from None


def _unread(talk: Conversation, heard: Heard, error: Exception) -> ProtocolViolation:
    text = f"{talk.ca} answered with the body {heard.kind}, and it cannot be read: {str(error)[:200]}."
    return ProtocolViolation(text, code=heard.kind, stage="response", remedy="Report it to the maker of the CA.")


def _patience(talk: Conversation, heard: Heard) -> tuple[timedelta, str]:
    """Return how long a pollRep asks to wait, and why."""
    try:
        one = decode(heard.content, rfc4210.PollRepContent())[0]
        text = " ".join(str(part) for part in one["reason"]) if one["reason"].isValue else ""
        after = min(max(int(one["checkAfter"]), 0), 86_400)
    except (Unreadable, *UNREADABLE) as error:
        raise _unread(talk, heard, error) from None
    return timedelta(seconds=after), talk.clean(text)


def _revocation_status(talk: Conversation, heard: Heard) -> Status:
    """Return the status of an rp: its first part; the library's structure of the others does not hold names."""
    try:
        first = parts_of(parts_of(heard.content)[0])[0]
        return read_status(decode(first, rfc4210.PKIStatusInfo()))
    except (Unreadable, *UNREADABLE) as error:
        raise _unread(talk, heard, error) from None


def _told(talk: Conversation, heard: Heard) -> tuple[bytes, ...]:
    """Return the certificates of a genp; () where it told none."""
    try:
        found = decode(heard.content, rfc4210.GenRepContent())
        values = [
            bytes(one["infoValue"])
            for one in found
            if one["infoValue"].isValue and str(one["infoType"]) == oids.CA_CERTS
        ]
        return tuple(der for value in values for der in parts_of(value))
    except (Unreadable, *UNREADABLE) as error:
        raise _unread(talk, heard, error) from None
