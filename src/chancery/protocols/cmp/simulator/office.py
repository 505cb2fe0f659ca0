"""What the CA does with requests that are believed: enrolment, polling, confirmation, revocation, support messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyasn1_modules import rfc4210

from chancery.core.clock import Clock
from chancery.protocols.cmp.simulator import replies, wire
from chancery.protocols.cmp.simulator.guard import Guard, Refused
from chancery.protocols.cmp.simulator.replies import GRANTS, REJECTION, WAITING, Said
from chancery.protocols.cmp.simulator.wire import Asked
from chancery.protocols.cmp.simulator.wishes import Wish, wish_of
from chancery.sandbox.der import NULL, SEQUENCE, tlv
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa, other_key
from chancery.sandbox.ledger import Ledger

_CA_CERTS = "1.3.6.1.5.5.7.4.17"


@dataclass
class Transaction:
    """What is open with a client. `nonce` is the last one that we sent; `due` None waits for an officer."""

    due: datetime | None
    nonce: bytes = b""
    decision: str = ""

    def ready(self, now: datetime) -> bool:
        """Say whether it may go on."""
        return self.decision == "approved" or (self.due is not None and self.due <= now)


@dataclass
class Enrolment(Transaction):
    """A certificate that was asked for by `kind`; `leaf` is there once it is issued."""

    kind: str = ""
    wish: Wish | None = None
    implicit: bool = False
    leaf: x509.Certificate | None = None


@dataclass
class Revocation(Transaction):
    """A revocation that waits."""

    serial: int = 0


class Office:
    """One CA. `days` is how long its profile has certificates live."""

    def __init__(self, ca: EnrolmentCa, guard: Guard, ledger: Ledger, dials: Dials, clock: Clock, days: int) -> None:
        self._ca, self._guard, self._ledger, self._dials, self._clock, self._days = (
            ca,
            guard,
            ledger,
            dials,
            clock,
            days,
        )
        self.open: dict[bytes, Transaction] = {}
        self._issued: dict[int, x509.Certificate] = {}
        self._revoked: set[int] = set()

    def handle(self, asked: Asked, signer: x509.Certificate | None) -> Said:
        """Do what a request asks for; raises `Refused`."""
        if asked.kind in GRANTS:
            return self._enrol(asked, signer)
        known = {"pollReq": self._poll, "certConf": self._confirm, "rr": self._revoke, "genm": self._tell}
        if asked.kind not in known:
            raise Refused("badRequest", "This message is not served here.")
        return known[asked.kind](asked)

    # Enrolment ----------------------------------------------------------------------------------------

    def _enrol(self, asked: Asked, signer: x509.Certificate | None) -> Said:
        dials, kind, now = self._dials.now, asked.kind, self._clock.now()
        wish = wish_of(asked, verified=signer is None or signer in self._guard.officers)
        self._check_signer(kind, wish, signer)
        if dials.reject:
            if dials.as_error:
                raise Refused(dials.failure_bit, "The profile does not allow this request.")
            return replies.rejected(GRANTS[kind], wish.number, dials.failure_bit)
        due = None if dials.needs_approval else now + timedelta(seconds=dials.issue_delay)
        made = Enrolment(due, kind=kind, wish=wish, implicit=asked.wants_implicit)
        self.open[asked.transaction] = made
        self._note("order", asked, wish, kind)
        return self._grant(asked, made, wish) if made.ready(now) else replies.waiting(GRANTS[kind], wish.number)

    def _check_signer(self, kind: str, wish: Wish, signer: x509.Certificate | None) -> None:
        """Only an officer may ask for others; a certificate may update itself (RFC 9483 section 4.1.3)."""
        if kind == "kur" and wish.replaces:
            if wish.replaces not in self._issued or wish.replaces in self._revoked:
                raise Refused("badCertId", "The certificate to be updated is not known, or revoked.")
            if signer is not None and signer.serial_number != wish.replaces:
                raise Refused("notAuthorized", "Only the certificate itself may be updated with its signature.")
        elif signer is not None and signer not in self._guard.officers:
            raise Refused("notAuthorized", "This certificate may not ask for others.")

    def _grant(self, asked: Asked, found: Enrolment, wish: Wish) -> Said:
        dials, now = self._dials.now, self._clock.now()
        until = now + timedelta(days=self._days)
        leaf = self._ca.issue(
            wish,  # type: ignore[arg-type]  # it has what is taken from a request
            now,
            min(until, wish.until) if wish.until else until,
            key=other_key() if dials.wrong_key else None,
            name="somebody-else.example.net" if dials.wrong_name else "",
        )
        found.leaf = self._issued[leaf.serial_number] = leaf
        self._note("certificate", asked, wish, f"{leaf.serial_number:x}")
        confirmed = found.implicit and not dials.never_implicit
        if confirmed:
            del self.open[asked.transaction]
        status = wire.status(1, "Validity as the profile has it.") if dials.with_mods else wire.status(0)
        content = replies.reply(wish.number, status, leaf)
        return Said(GRANTS[found.kind], content, acted=True, implicit=confirmed, certificates=self._chain())

    def _chain(self) -> list[x509.Certificate]:
        chain = self._dials.now.chain
        if chain == "missing":
            return []
        return [self._ca.root, self._ca.issuing] if chain == "shuffled" else [self._ca.issuing, self._ca.root]

    def _poll(self, asked: Asked) -> Said:
        found, number = self.open[asked.transaction], int(asked.body[0]["certReqId"])
        if isinstance(found, Revocation):
            return self._poll_revocation(asked, found, number)
        if not isinstance(found, Enrolment) or found.wish is None or number not in {found.wish.number, -1}:
            raise Refused("badRequest", "certReqId is not that of the request.")
        if found.decision == "refused":
            del self.open[asked.transaction]
            return replies.rejected(GRANTS[found.kind], found.wish.number, "badCertTemplate")
        if not found.ready(self._clock.now()):
            return replies.patience(number, int(self._dials.now.check_after))
        return self._grant(asked, found, found.wish)

    def _confirm(self, asked: Asked) -> Said:
        found = self.open[asked.transaction]
        leaf = found.leaf if isinstance(found, Enrolment) else None
        if leaf is None:
            raise Refused("badRequest", "There is nothing to confirm.")
        digest, one = leaf.signature_hash_algorithm, asked.body[0]
        if self._dials.now.refuse_confirmation:
            raise Refused("badRequest", "This confirmation is not taken.")
        if digest is None or bytes(one["certHash"]) != leaf.fingerprint(digest):
            raise Refused("badCertId", "certHash is not that of the certificate.")
        del self.open[asked.transaction]
        refused = one["statusInfo"].isValue and int(one["statusInfo"]["status"]) == REJECTION
        if refused:
            self._revoked.add(leaf.serial_number)
        self._note("refused" if refused else "confirm", asked, None, f"{leaf.serial_number:x}")
        return Said("pkiconf", NULL)

    # Revocation ---------------------------------------------------------------------------------------

    def _revoke(self, asked: Asked) -> Said:
        template = asked.body[0]["certDetails"]
        serial = int(template["serialNumber"])
        found = self._issued.get(serial)
        issuer = wire.encode(template["issuer"][0]) if template["issuer"].isValue else b""
        if found is None or issuer != found.issuer.public_bytes():
            return replies.unrevoked("badCertId", "No certificate has this number.")
        if serial in self._revoked:
            return replies.unrevoked("certRevoked", "It is revoked already.")
        if self._dials.now.revocation_waits:
            self.open[asked.transaction] = Revocation(None, serial=serial)
            return replies.error("", "An officer looks at it.", WAITING)
        return self._revoked_now(asked, serial)

    def _poll_revocation(self, asked: Asked, found: Revocation, number: int) -> Said:
        if found.decision == "refused":
            del self.open[asked.transaction]
            return replies.unrevoked("notAuthorized", "An officer refused it.")
        if not found.ready(self._clock.now()):
            return replies.patience(number, int(self._dials.now.check_after))
        del self.open[asked.transaction]
        return self._revoked_now(asked, found.serial)

    def _revoked_now(self, asked: Asked, serial: int) -> Said:
        self._revoked.add(serial)
        self._note("revoke", asked, None, f"{serial:x}")
        return replies.revoked()

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

    # Books --------------------------------------------------------------------------------------------

    def decide(self, decision: str) -> int:
        """Let an officer decide about everything that waits: approved or refused. Returns how many."""
        waiting = [one for one in self.open.values() if not (isinstance(one, Enrolment) and one.leaf)]
        for one in waiting:
            one.decision = decision
        return len(waiting)

    def state(self) -> dict[str, Any]:
        """Return what the CA keeps."""
        return {
            "transactions": [{"id": tid.hex(), "kind": type(one).__name__} for tid, one in self.open.items()],
            "certificates": [f"{serial:x}" for serial in self._issued],
            "revoked": [f"{serial:x}" for serial in self._revoked],
        }

    def _note(self, kind: str, asked: Asked, wish: Wish | None, detail: str) -> None:
        """Write a line: the client's reference is its transactionID, the only field that it may fill."""
        self._ledger.add(
            self._clock.now(),
            kind,
            order=f"T{len(self._ledger.lines()) + 1}",
            reference=asked.transaction.hex(),
            spki_sha256=wish.spki if wish else "",
            csr_sha256=wish.digest if wish else "",
            detail=detail,
        )
