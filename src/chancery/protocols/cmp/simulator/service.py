"""The server: transactions, enrolment, polling, confirmation, revocation, support messages."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyasn1_modules import rfc4210

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.cmp.simulator import wire
from chancery.protocols.cmp.simulator.dials import CmpDials
from chancery.protocols.cmp.simulator.guard import Guard, Refused
from chancery.protocols.cmp.simulator.wire import BROKEN, Asked
from chancery.protocols.cmp.simulator.wishes import Wish, wish_of
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.der import NULL, SEQUENCE, tlv
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa, other_key
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "cmp"
PREFIX = "/cmp"
REFERENCE, SECRET = "chancery-ra", "sandbox-cmp-secret-4711"
TYPE = "application/pkixcmp"
_CA_CERTS = "1.3.6.1.5.5.7.4.17"
_DAYS = 30
_NUMBERS = {"ip": 1, "cp": 3, "kup": 8, "rp": 12, "pkiconf": 19, "genp": 22, "error": 23, "pollRep": 26}
_GRANTS = {"ir": "ip", "cr": "cp", "p10cr": "cp", "kur": "kup"}
_REJECTION, _WAITING = 2, 3
_ENROLS = frozenset(_GRANTS)


@dataclass
class Transaction:
    """What is open with a client. `nonce` is the last one that we sent; `due` None waits for an officer."""

    kind: str
    nonce: bytes
    wish: Wish | None = None
    due: datetime | None = None
    implicit: bool = False
    decision: str = ""
    leaf: x509.Certificate | None = None
    serial: int = 0


@dataclass
class Said:
    """An answer in the making; `open` keeps the transaction."""

    kind: str
    content: bytes
    negative: bool = False
    acted: bool = False
    implicit: bool = False
    certificates: list[x509.Certificate] = field(default_factory=list)


class Service:
    """One CA that speaks CMP. `days` is how long its profile has certificates live."""

    def __init__(
        self, ca: EnrolmentCa, ledger: Ledger, dials: Dials, clock: Clock, accounts: dict[str, str], days: int = _DAYS
    ) -> None:
        self._ca, self._ledger, self._dials, self._clock, self._days = ca, ledger, dials, clock, days
        self.guard = Guard(ca.issuing, ca.key, accounts)
        self._open: dict[bytes, Transaction] = {}
        self._issued: dict[int, x509.Certificate] = {}
        self._revoked: dict[int, str] = {}
        self._lock = threading.RLock()

    # In and out ---------------------------------------------------------------------------------------

    def answer(self, http: Http) -> Reply:
        """Answer one request over HTTP (RFC 9811 section 3)."""
        now = self._dials.now
        if now.throttle or http.throttled:
            headers = {"Retry-After": now.retry_after} if now.retry_after else {}
            return Reply(429, b"Too many requests.", "text/plain", headers=headers)
        if http.method != "POST":
            return Reply(405, b"CMP is spoken by POST.", "text/plain")
        if http.headers.get("content-type", "").partition(";")[0].strip().lower() != TYPE:
            return Reply(415, b"application/pkixcmp is needed.", "text/plain")
        try:
            asked = wire.read(http.body)
        except BROKEN:
            return Reply(400, b"This is no PKIMessage.", "text/plain")
        with self._lock:
            return self._reply(asked)

    def _reply(self, asked: Asked) -> Reply:
        dials = self._dials.now
        if dials.forget:
            self._open.clear()
        known = True
        try:
            if dials.refuse_key:
                raise Refused("badMessageCheck", "The secret of this reference was withdrawn.")
            signer = self.guard.admit(asked)
        except Refused as refused:
            said, known = _error(refused.failure, refused.text), False
        else:
            said = self._said(asked, signer)
        if dials.odd_body:
            said = Said("pkiconf", NULL, acted=said.acted)
        status = int(dials.on_http) if said.negative and dials.on_http else 200
        return Reply(status, self._written(asked, said, known=known), TYPE, acted=said.acted)

    def _said(self, asked: Asked, signer: x509.Certificate | None) -> Said:
        try:
            self._check(asked)
            return self._handled(asked, signer)
        except Refused as refused:
            return _error(refused.failure, refused.text)

    def _check(self, asked: Asked) -> None:
        if int(asked.header["pvno"]) not in {2, 3}:
            raise Refused("unsupportedVersion", "Versions 2 and 3 are spoken here.")
        found = self._open.get(asked.octets("transactionID"))
        if asked.kind in {"pollReq", "certConf"}:
            if found is None:
                raise Refused("badRequest", "The transaction is not known.")
            if asked.octets("recipNonce") != found.nonce:
                del self._open[asked.octets("transactionID")]
                raise Refused("badRecipientNonce", "recipNonce is not the last nonce that was sent.")
        elif found is not None:
            raise Refused("transactionIdInUse", "The transaction is open.")

    def _handled(self, asked: Asked, signer: x509.Certificate | None) -> Said:
        if asked.kind in _ENROLS:
            return self._enrol(asked, signer)
        known = {
            "pollReq": self._poll,
            "certConf": self._confirm,
            "rr": self._revoke,
            "genm": self._tell,
        }
        if asked.kind not in known:
            raise Refused("badRequest", "This message is not served here.")
        return known[asked.kind](asked)

    def _written(self, asked: Asked, said: Said, *, known: bool) -> bytes:
        dials, nonce = self._dials.now, secrets.token_bytes(16)
        bare = dials.unprotected or not known or (said.negative and dials.unprotected_errors)
        algorithm = b"" if bare else self.guard.algorithm(asked, weak=dials.weak_mac)
        made = wire.header(asked, self._ca.name, self._clock.now(), nonce, algorithm, implicit=said.implicit)
        if dials.odd_nonce:
            made["recipNonce"] = secrets.token_bytes(16)
        if dials.odd_transaction:
            made["transactionID"] = secrets.token_bytes(16)
        head, body = wire.encode(made), wire.body(_NUMBERS[said.kind], said.content)
        protection = b"" if bare else self.guard.protect(asked, algorithm, tlv(SEQUENCE, head, body))
        if dials.spoilt and protection:
            protection = bytes([protection[0] ^ 1]) + protection[1:]
        found = self._open.get(asked.octets("transactionID"))
        if found is not None:
            found.nonce = nonce
        return wire.message(head, body, protection, [] if bare else self._certificates(asked, said))

    def _certificates(self, asked: Asked, said: Said) -> list[x509.Certificate]:
        """Return extraCerts: the chain of what was issued, and the signer of the answer (RFC 9483 section 3.3)."""
        needed = [] if asked.octets("senderKID").decode("latin-1") in self.guard.accounts else [self._ca.issuing]
        return [*said.certificates, *[c for c in needed if c not in said.certificates]]

    # Enrolment ----------------------------------------------------------------------------------------

    def _enrol(self, asked: Asked, signer: x509.Certificate | None) -> Said:
        dials, kind = self._dials.now, asked.kind
        wish = wish_of(asked, verified=signer is None or signer in self.guard.officers)
        self._check_signer(kind, wish, signer)
        if dials.reject:
            if dials.as_error:
                raise Refused(dials.failure_bit, "The profile does not allow this request.")
            return _rejected(_GRANTS[kind], wish.number, dials.failure_bit)
        due = None if dials.needs_approval else self._clock.now() + timedelta(seconds=dials.issue_delay)
        made = self._open[asked.octets("transactionID")] = Transaction(kind, b"", wish, due, asked.wants_implicit)
        self._note("order", asked, wish.spki, wish.digest, kind)
        if due is None or due > self._clock.now():
            return Said(
                _GRANTS[kind], _reply(wish.number, wire.status(_WAITING, "An officer looks at it.")), acted=True
            )
        return self._grant(asked, made)

    def _check_signer(self, kind: str, wish: Wish, signer: x509.Certificate | None) -> None:
        if kind == "kur" and wish.replaces:
            if wish.replaces not in self._issued or wish.replaces in self._revoked:
                raise Refused("badCertId", "The certificate to be updated is not known, or revoked.")
            if signer is not None and signer.serial_number != wish.replaces:
                raise Refused("notAuthorized", "Only the certificate itself may be updated with its signature.")
        elif signer is not None and signer not in self.guard.officers:
            raise Refused("notAuthorized", "This certificate may not ask for others.")

    def _grant(self, asked: Asked, found: Transaction) -> Said:
        dials, wish = self._dials.now, found.wish
        assert wish is not None  # noqa: S101  enrolments have one
        now = self._clock.now()
        until = now + timedelta(days=self._days)
        leaf = self._ca.issue(
            wish,  # type: ignore[arg-type]  # it has what is taken from a request
            now,
            min(until, wish.until) if wish.until else until,
            key=other_key() if dials.wrong_key else None,
            name="somebody-else.example.net" if dials.wrong_name else "",
        )
        found.leaf = self._issued[leaf.serial_number] = leaf
        self._note("certificate", asked, wish.spki, wish.digest, f"{leaf.serial_number:x}")
        confirmed = found.implicit and not dials.never_implicit
        if confirmed:
            del self._open[asked.octets("transactionID")]
        status = wire.status(1, "Validity as the profile has it.") if dials.with_mods else wire.status(0)
        content = _reply(wish.number, status, leaf)
        return Said(_GRANTS[found.kind], content, acted=True, implicit=confirmed, certificates=self._chain())

    def _chain(self) -> list[x509.Certificate]:
        dials = self._dials.now
        if dials.chain == "missing":
            return []
        return [self._ca.root, self._ca.issuing] if dials.chain == "shuffled" else [self._ca.issuing, self._ca.root]

    def _poll(self, asked: Asked) -> Said:
        found = self._open[asked.octets("transactionID")]
        number = int(asked.body[0]["certReqId"])
        ready = found.decision == "approved" or (found.due is not None and found.due <= self._clock.now())
        if found.kind == "rr":
            return self._poll_revocation(asked, found, number, ready=ready)
        assert found.wish is not None  # noqa: S101  enrolments have one
        if number not in {found.wish.number, -1}:
            raise Refused("badRequest", "certReqId is not that of the request.")
        if found.decision == "refused":
            del self._open[asked.octets("transactionID")]
            return _rejected(_GRANTS[found.kind], found.wish.number, "badCertTemplate")
        if not ready:
            return self._patience(number)
        return self._grant(asked, found)

    def _patience(self, number: int) -> Said:
        made = rfc4210.PollRepContent()
        made[0]["certReqId"], made[0]["checkAfter"] = number, int(self._dials.now.check_after)
        made[0]["reason"][0] = "An officer looks at it."
        return Said("pollRep", wire.encode(made))

    def _confirm(self, asked: Asked) -> Said:
        found = self._open[asked.octets("transactionID")]
        if found.leaf is None:
            raise Refused("badRequest", "There is nothing to confirm.")
        digest = found.leaf.signature_hash_algorithm
        one = asked.body[0]
        if self._dials.now.refuse_confirmation:
            raise Refused("badRequest", "This confirmation is not taken.")
        if digest is None or bytes(one["certHash"]) != found.leaf.fingerprint(digest):
            raise Refused("badCertId", "certHash is not that of the certificate.")
        del self._open[asked.octets("transactionID")]
        refused = one["statusInfo"].isValue and int(one["statusInfo"]["status"]) == _REJECTION
        if refused:
            self._revoked[found.leaf.serial_number] = "refused by the client"
        self._note("refused" if refused else "confirm", asked, "", "", f"{found.leaf.serial_number:x}")
        return Said("pkiconf", NULL)

    # Revocation ---------------------------------------------------------------------------------------

    def _revoke(self, asked: Asked) -> Said:
        template = asked.body[0]["certDetails"]
        serial = int(template["serialNumber"])
        found = self._issued.get(serial)
        issuer = wire.encode(template["issuer"][0]) if template["issuer"].isValue else b""
        if found is None or issuer != found.issuer.public_bytes():
            return _unrevoked("badCertId", "No certificate has this number.")
        if serial in self._revoked:
            return _unrevoked("certRevoked", "It is revoked already.")
        if self._dials.now.revocation_waits:
            self._open[asked.octets("transactionID")] = Transaction("rr", b"", serial=serial)
            return _error("", "An officer looks at it.", number=_WAITING)
        return self._revoked_now(asked, serial)

    def _poll_revocation(self, asked: Asked, found: Transaction, number: int, *, ready: bool) -> Said:
        if found.decision == "refused":
            del self._open[asked.octets("transactionID")]
            return _unrevoked("notAuthorized", "An officer refused it.")
        if not ready:
            return self._patience(number)
        del self._open[asked.octets("transactionID")]
        return self._revoked_now(asked, found.serial)

    def _revoked_now(self, asked: Asked, serial: int) -> Said:
        self._revoked[serial] = "revoked"
        self._note("revoke", asked, "", "", f"{serial:x}")
        made = rfc4210.RevRepContent()
        made["status"][0] = wire.status(0)
        return Said("rp", wire.encode(made), acted=True)

    # Support ------------------------------------------------------------------------------------------

    def _tell(self, asked: Asked) -> Said:
        if self._dials.now.no_support:
            raise Refused("badRequest", "Support messages are switched off.")
        made = rfc4210.GenRepContent()
        for place, one in enumerate(asked.body):
            made[place]["infoType"] = one["infoType"]
            if str(one["infoType"]) == _CA_CERTS and self._dials.now.chain != "missing":
                ders = [c.public_bytes(Encoding.DER) for c in (self._ca.issuing, self._ca.root)]
                made[place]["infoValue"] = tlv(SEQUENCE, *ders)
        return Said("genp", wire.encode(made))

    # Control ------------------------------------------------------------------------------------------

    def decide(self, decision: str) -> Reply:
        """Let an officer decide about everything that waits: approved or refused."""
        with self._lock:
            waiting = [one for one in self._open.values() if one.leaf is None]
            for one in waiting:
                one.decision = decision
        return json_reply({"decided": len(waiting)})

    def state(self) -> dict[str, Any]:
        """Return what the server keeps."""
        with self._lock:
            return {
                "transactions": [{"id": tid.hex(), "kind": one.kind} for tid, one in self._open.items()],
                "certificates": [f"{serial:x}" for serial in self._issued],
                "revoked": [f"{serial:x}" for serial in self._revoked],
            }

    def _note(self, kind: str, asked: Asked, spki: str, digest: str, detail: str) -> None:
        number, reference = f"T{len(self._ledger.lines()) + 1}", asked.octets("transactionID").hex()
        self._ledger.add(
            self._clock.now(),
            kind,
            order=number,
            reference=reference,
            spki_sha256=spki,
            csr_sha256=digest,
            detail=detail,
        )


def _error(failure: str, text: str, number: int = _REJECTION) -> Said:
    made = rfc4210.ErrorMsgContent()
    made["pKIStatusInfo"] = wire.status(number, text, failure)
    return Said("error", wire.encode(made), negative=number == _REJECTION)


def _unrevoked(failure: str, text: str) -> Said:
    made = rfc4210.RevRepContent()
    made["status"][0] = wire.status(_REJECTION, text, failure)
    return Said("rp", wire.encode(made), negative=True)


def _rejected(kind: str, number: int, failure: str) -> Said:
    content = _reply(number, wire.status(_REJECTION, "The profile does not allow this request.", failure))
    return Said(kind, content, negative=True)


def _reply(number: int, status: Any, leaf: x509.Certificate | None = None) -> bytes:
    """Return CertRepMessage with one response."""
    made = rfc4210.CertRepMessage()
    one = made["response"][0]
    one["certReqId"], one["status"] = number, status
    if leaf is not None:
        part = one["certifiedKeyPair"]["certOrEncCert"]["certificate"]
        found = wire.structure(leaf.public_bytes(Encoding.DER), rfc4210.CMPCertificate())
        for field_name in ("tbsCertificate", "signatureAlgorithm", "signatureValue"):
            part[field_name] = found[field_name]
    return wire.encode(made)


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    ca: EnrolmentCa | None = None,
    accounts: dict[str, str] | None = None,
    days: int = _DAYS,
) -> Simulator:
    """Return a simulator that is not yet started. `accounts` maps references to shared secrets."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(CmpDials)
    shifted = ShiftedClock(clock)
    service = Service(ca or EnrolmentCa(clock.now()), ledger, dials, shifted, accounts or {REFERENCE: SECRET}, days)
    made = Simulator(NAME, service.answer, prefix=PREFIX, ledger=ledger, dials=dials, clock=shifted)
    made.state = service.state
    made.doors = {
        ("POST", "/approve"): lambda asked: service.decide("approved"),  # noqa: ARG005  a door's handler
        ("POST", "/refuse"): lambda asked: service.decide("refused"),  # noqa: ARG005  as above
    }
    made.credentials = {"reference": REFERENCE, "secret": SECRET}
    return made
