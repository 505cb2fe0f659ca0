"""What becomes of an order: approval, validation, issue, reissue, revocation, in the order that time brings them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chancery.authorities.digicert.simulator.account import Key
from chancery.authorities.digicert.simulator.state import Asked, Book, Certificate, Change, Order, Request
from chancery.authorities.digicert.simulator.validation import Validation
from chancery.core.clock import Clock
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.dials import Dials
from chancery.sandbox.ledger import Ledger

DOOM = timedelta(hours=72)
"""After a reissue that drops a name, all older certificates of the order are revoked within this time (B5)."""


class Lifecycle:
    """Moves orders on; the only place where certificates come into being and end."""

    def __init__(
        self, book: Book, ca: SandboxCa, ledger: Ledger, dials: Dials, clock: Clock, validation: Validation
    ) -> None:
        self._book, self._ca, self._ledger, self._dials, self._clock = book, ca, ledger, dials, clock
        self._validation = validation

    def tick(self) -> None:
        """Do everything that has fallen due."""
        for number in sorted(self._book.unsettled):
            order = self._book.orders[number]
            self._advance(order)
            self._revoke_doomed(order)
            if order.waiting is None and not any(c.revoke_at and not c.revoked for c in order.certificates):
                self._book.unsettled.discard(number)

    def open(self, order: Order, asked: Asked, request: Request, *, approved: bool) -> None:
        """Take in a certificate that was asked for, and issue it if nothing is in its way."""
        order.waiting = asked
        self._book.requests[request.id] = request
        order.requests.append(request.id)
        self._book.unsettled.add(order.id)
        word = {"new_request": "needs_approval", "reissue": "reissue_pending"}.get(request.type, order.status)
        self._move(order, word)
        self._record(order, asked)
        if approved:
            self.approve(request, None)

    def approve(self, request: Request, by: Key | None, comment: str = "") -> None:
        """Let an approver (None: nobody was needed) say yes."""
        request.status, request.processor, request.processor_comment = "approved", by, comment
        order = self._book.orders[request.order]
        if request.type == "revoke":
            targets = [c for c in order.certificates if request.certificate in {0, c.id}]
            self.revoke(order, targets, request.reason, whole=request.certificate == 0)
            return
        if request.type == "new_request":
            self._move(order, "pending")
        self._validation.prepare(order)
        self._advance(order)

    def reject(self, request: Request, by: Key, comment: str = "") -> None:
        """Let an approver say no."""
        request.status, request.processor, request.processor_comment = "rejected", by, comment
        order = self._book.orders[request.order]
        if request.type == "new_request":
            order.waiting = None
            self._move(order, "rejected")
        elif request.type != "revoke":
            self._drop(order)

    def cancel(self, order: Order, note: str) -> None:
        """Cancel an order, or its reissue."""
        if order.waiting is not None:
            self._book.requests[order.waiting.request].status = "rejected"
        order.note = note
        if order.certificates:
            self._drop(order)
        else:
            order.waiting = None
            self._move(order, "canceled")
        self._ledger.add(self._clock.now(), "cancel", order=str(order.id), reference=order.reference, detail=note)

    def revoke(self, order: Order, certificates: list[Certificate], reason: str, *, whole: bool) -> None:
        """Revoke what is not revoked yet."""
        for certificate in certificates:
            if not certificate.revoked:
                certificate.revoked, certificate.reason = True, reason
                self._ledger.add(
                    self._clock.now(), "revoke", order=str(order.id), reference=order.reference, detail=reason
                )
        last = all(c.revoked for c in order.certificates) and self._dials.now.revoke_last_ends_order
        self._move(order, "revoked" if whole or last else order.status)

    def _drop(self, order: Order) -> None:
        order.waiting = None
        self._move(order, "issued")

    def _move(self, order: Order, status: str) -> None:
        order.status, order.changed = status, self._clock.now()
        certificate = order.primary.id if order.primary else None
        self._book.changes.append(Change(order.changed, order.id, certificate, status))

    def _record(self, order: Order, asked: Asked) -> None:
        der, key = asked.csr.public_bytes(Encoding.DER), asked.csr.public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._ledger.add(
            asked.at,
            "order" if asked.kind == "original" else asked.kind,
            order=str(order.id),
            reference=order.reference if asked.kind == "original" else "",
            spki_sha256=hashlib.sha256(spki).hexdigest(),
            csr_sha256=hashlib.sha256(der).hexdigest(),
        )

    def _advance(self, order: Order) -> None:
        asked, now = order.waiting, self._clock.now()
        if asked is None or self._book.requests[asked.request].status != "approved":
            return
        if asked.ready_at is None:
            self._validation.look(order)
            if self._validation.is_open(order):
                return
            asked.ready_at = now + timedelta(seconds=self._dials.now.issue_delay)
            if asked.kind == "original" and asked.ready_at > now:
                self._move(order, "processing")
        if asked.ready_at <= now:
            self._issue(order, asked)

    def _issue(self, order: Order, asked: Asked) -> None:
        now, dials = self._clock.now(), self._dials.now
        key: Any = ec.generate_private_key(ec.SECP256R1()).public_key() if dials.wrong_key else asked.csr.public_key()
        names = ["wrong.example.net"] if dials.wrong_name else asked.names
        leaf = self._ca.issue_until(key, names[0], names, now, asked.end(now) - timedelta(minutes=1))
        made = Certificate(
            next(self._book.numbers), leaf, self._ca.chain(leaf), now, str(asked.certificate["csr"]), asked.kind
        )
        if asked.kind == "reissue":
            self._doom_older(order, asked)
        self._book.certificates[made.id] = made
        order.certificates.append(made)
        order.waiting = None
        if asked.kind != "duplicate":
            order.names = asked.names
        self._move(order, "issued")

    def _doom_older(self, order: Order, asked: Asked) -> None:
        if set(order.names) <= set(asked.names):
            return
        for older in order.certificates:
            older.revoke_at = older.revoke_at or self._clock.now() + DOOM

    def _revoke_doomed(self, order: Order) -> None:
        now = self._clock.now()
        due = [c for c in order.certificates if c.revoke_at is not None and c.revoke_at <= now and not c.revoked]
        if due:
            self.revoke(order, due, "superseded", whole=False)
