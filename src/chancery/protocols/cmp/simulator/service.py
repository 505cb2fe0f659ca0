"""The server: what comes in over HTTP, whether it is believed, and how answers are protected."""

from __future__ import annotations

import secrets
import threading
from typing import Any

from cryptography import x509

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.cmp.simulator import replies, wire
from chancery.protocols.cmp.simulator.dials import CmpDials
from chancery.protocols.cmp.simulator.guard import Guard, Refused
from chancery.protocols.cmp.simulator.office import Office
from chancery.protocols.cmp.simulator.replies import NUMBERS, Said
from chancery.protocols.cmp.simulator.wire import BROKEN, Asked
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.der import NULL, SEQUENCE, tlv
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "cmp"
PREFIX = "/cmp"
REFERENCE, SECRET = "chancery-ra", "sandbox-cmp-secret-4711"
TYPE = "application/pkixcmp"
_DAYS = 30
_NONCE = 16
_GOES_ON = frozenset({"pollReq", "certConf"})


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    ca: EnrolmentCa | None = None,
    accounts: dict[str, str] | None = None,
    officers: list[x509.Certificate] | None = None,
    days: int = _DAYS,
) -> Simulator:
    """Return a simulator that is not yet started.

    `accounts` maps references to shared secrets; `officers` are certificates of this CA that may ask for others.
    """
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(CmpDials)
    shifted = ShiftedClock(clock)
    service = Service(ca or EnrolmentCa(clock.now()), ledger, dials, shifted, accounts or {REFERENCE: SECRET}, days)
    service.guard.officers += officers or []
    made = Simulator(NAME, service.answer, prefix=PREFIX, ledger=ledger, dials=dials, clock=shifted)
    made.state = service.state
    made.doors = {
        ("POST", "/approve"): lambda _: service.decide("approved"),
        ("POST", "/refuse"): lambda _: service.decide("refused"),
    }
    made.credentials = {"reference": REFERENCE, "secret": SECRET}
    return made


class Service:
    """One CA that speaks CMP. `days` is how long its profile has certificates live."""

    def __init__(
        self, ca: EnrolmentCa, ledger: Ledger, dials: Dials, clock: Clock, accounts: dict[str, str], days: int = _DAYS
    ) -> None:
        self._ca, self._dials, self._clock = ca, dials, clock
        self.guard = Guard(ca.issuing, ca.key, accounts)
        self._office = Office(ca, self.guard, ledger, dials, clock, days)
        self._lock = threading.RLock()

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
            self._office.open.clear()
        said, known = self._said(asked)
        if dials.odd_body:
            said = Said("pkiconf", NULL, acted=said.acted)
        status = int(dials.on_http) if said.negative and dials.on_http else 200
        return Reply(status, self._written(asked, said, known=known), TYPE, acted=said.acted)

    def _said(self, asked: Asked) -> tuple[Said, bool]:
        """Return the answer, and whether we know whom it is for: an answer to strangers cannot be protected."""
        try:
            if self._dials.now.refuse_key:
                raise Refused("badMessageCheck", "The secret of this reference was withdrawn.")
            signer = self.guard.admit(asked)
        except Refused as refused:
            return replies.error(refused.failure, refused.text), False
        try:
            self._check(asked)
            return self._office.handle(asked, signer), True
        except Refused as refused:
            return replies.error(refused.failure, refused.text), True
        except BROKEN:
            return replies.error("badDataFormat", "The body of the message lacks something, or cannot be read."), True

    def _check(self, asked: Asked) -> None:
        """Check version, transaction and nonce (RFC 9483 section 3.5)."""
        if int(asked.header["pvno"]) not in {2, 3}:
            raise Refused("unsupportedVersion", "Versions 2 and 3 are spoken here.")
        found = self._office.open.get(asked.transaction)
        if asked.kind in _GOES_ON:
            if found is None:
                raise Refused("badRequest", "The transaction is not known.")
            if asked.octets("recipNonce") != found.nonce:
                del self._office.open[asked.transaction]
                raise Refused("badRecipientNonce", "recipNonce is not the last nonce that was sent.")
        elif found is not None:
            raise Refused("transactionIdInUse", "The transaction is open.")

    def _written(self, asked: Asked, said: Said, *, known: bool) -> bytes:
        dials, nonce = self._dials.now, secrets.token_bytes(_NONCE)
        bare = dials.unprotected or not known or (said.negative and dials.unprotected_errors)
        algorithm = b"" if bare else self.guard.algorithm(asked, weak=dials.weak_mac)
        made = wire.header(asked, self._ca.name, self._clock.now(), nonce, algorithm, implicit=said.implicit)
        if dials.odd_nonce:
            made["recipNonce"] = secrets.token_bytes(_NONCE)
        if dials.odd_transaction:
            made["transactionID"] = secrets.token_bytes(_NONCE)
        head, body = wire.encode(made), wire.body(NUMBERS[said.kind], said.content)
        protection = b"" if bare else self.guard.protect(asked, algorithm, tlv(SEQUENCE, head, body))
        if dials.spoilt and protection:
            protection = bytes([protection[0] ^ 1]) + protection[1:]
        found = self._office.open.get(asked.transaction)
        if found is not None:
            found.nonce = nonce
        return wire.message(head, body, protection, [] if bare else self._certificates(asked, said))

    def _certificates(self, asked: Asked, said: Said) -> list[x509.Certificate]:
        """Return extraCerts: the chain of what was issued, and the signer of the answer (RFC 9483 section 3.3)."""
        needed = [] if self.guard.is_mac(asked) else [self._ca.issuing]
        return [*said.certificates, *[c for c in needed if c not in said.certificates]]

    def decide(self, decision: str) -> Reply:
        """Let an officer decide about everything that waits: approved or refused."""
        with self._lock:
            return json_reply({"decided": self._office.decide(decision)})

    def state(self) -> dict[str, Any]:
        """Return what the server keeps."""
        with self._lock:
            return self._office.state()
