"""What becomes of an order, in the order that time brings it; the only place where certificates begin and end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chancery.authorities.emsign.simulator.book import Book, Order, Revocation
from chancery.authorities.emsign.simulator.hierarchy import Hierarchy, end_of
from chancery.authorities.emsign.simulator.requests import digests
from chancery.authorities.emsign.simulator.validation import Validation
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.ledger import Ledger


class Lifecycle:
    """Moves orders on."""

    def __init__(
        self, book: Book, hierarchy: Hierarchy, ledger: Ledger, dials: Dials, clock: Clock, validation: Validation
    ) -> None:
        self._book, self._hierarchy, self._ledger = book, hierarchy, ledger
        self._dials, self._clock, self._validation = dials, clock, validation

    def tick(self) -> None:
        """Do everything that has fallen due."""
        for order in list(self._book.open):
            self._advance(order)
            self._revoke_due(order)
            if self._is_settled(order):
                self._book.open.remove(order)

    @staticmethod
    def _is_settled(order: Order) -> bool:
        waits = order.revocation is not None and order.revocation.state == "initiated"
        return bool(order.ended) or (order.leaf is not None and not waits)

    def place(self, order: Order, kind: str = "order") -> None:
        """Take in an order, a draft or a reissue, and write it into the ledger."""
        dials = self._dials.now
        order.vetted = not (order.product.organization and dials.organization_pending)
        order.documents = not (order.product.organization and dials.needs_documents)
        order.approved = not dials.needs_approval and (order.product.public or dials.auto_approve)
        self._book.add(order)
        if not order.draft:
            self._validation.prepare(order)
        self._record(order, kind)
        self._advance(order)

    def promote(self, order: Order, number: str) -> None:
        """Make an order out of a draft."""
        self._book.number(order, number)
        self._validation.prepare(order)
        self._advance(order)

    def take_csr(self, order: Order, csr: x509.CertificateSigningRequest) -> None:
        """Take a certificate request for an order that waits for one."""
        order.csr = csr
        self._note(order, "csr")
        self._advance(order)

    def sign(self, order: Order, name: str) -> None:
        """Take note that the subscriber agreement was signed."""
        order.signed_by, order.signed_at = name, self._clock.now()
        self._advance(order)

    def approve(self, order: Order) -> None:
        """Let an approver say yes."""
        order.approved = True
        self._advance(order)

    def end(self, order: Order, word: str, why: str) -> None:
        """Cancel or reject what is not signed yet."""
        order.ended = word
        self._validation.reject(order)
        self._note(order, "cancel", why)

    def revoke(self, order: Order, reason: str, note: str) -> Revocation:
        """Queue a revocation; it is done at once unless a dial lets it wait."""
        now = self._clock.now()
        asked = Revocation(reason, note, now, now + timedelta(seconds=self._dials.now.revoke_delay))
        order.revocation = asked
        self._note(order, "revoke", reason)
        if order not in self._book.open:
            self._book.open.append(order)
        self._revoke_due(order)
        return asked

    def status(self, order: Order) -> str:
        """Return V2's word: what an open order waits for first."""
        if order.ended or order.revoked:
            return order.ended or "revoked"
        if order.leaf is not None:
            return "expired" if order.leaf.not_valid_after_utc <= self._clock.now() else "issued"
        return self._waits_for(order) or ("issued" if self._is_ready(order) else "pending-approval")

    def _waits_for(self, order: Order) -> str:
        public = order.product.public
        gates = (
            ("pending-dcv", self._validation.is_open(order)),
            ("pending-organization-verification", not order.vetted),
            ("pending-csr", order.csr is None or order.draft),
            ("pending-documents", not order.documents),
            ("pending-agreement", public and not order.signed_by),
            ("pending-approval", not order.approved),
        )
        return next((word for word, closed in gates if closed), "")

    def _is_ready(self, order: Order) -> bool:
        return order.ready_at is not None and order.ready_at <= self._clock.now()

    def downloadable(self, order: Order) -> bool:
        """Say whether the PEM can be fetched: some time after it was signed."""
        if order.leaf is None or order.issued_at is None or order.revoked:
            return False
        return order.issued_at + timedelta(seconds=self._dials.now.download_lag) <= self._clock.now()

    def _advance(self, order: Order) -> None:
        now, dials = self._clock.now(), self._dials.now
        if order.ended or order.leaf is not None or self._waits_for(order):
            return
        if order.ready_at is None:
            order.ready_at = now + timedelta(seconds=dials.issue_delay)
            order.sign_at = order.ready_at + timedelta(seconds=dials.sign_delay)
        if order.sign_at is not None and order.sign_at <= now:
            self._issue(order, now)

    def _issue(self, order: Order, now: datetime) -> None:
        dials, csr = self._dials.now, order.csr
        if csr is None:  # pragma: no cover  an order without a request waits for one
            raise AssertionError(order.number)
        key: Any = ec.generate_private_key(ec.SECP256R1()).public_key() if dials.wrong_key else csr.public_key()
        names = ["wrong.example.net"] if dials.wrong_name else order.names
        until = end_of(order.product, now, order.until)
        order.leaf = self._hierarchy.issue(dials.issuer, key, names, now, until)
        ca = self._hierarchy.ca(dials.issuer)
        order.chain = [ca.intermediate, ca.root]
        order.issued_at = now

    def _revoke_due(self, order: Order) -> None:
        asked, now = order.revocation, self._clock.now()
        if asked is None or asked.state != "initiated" or asked.ready_at > now:
            return
        asked.state = "rejected" if self._dials.now.revoke_refused else "revoked"
        asked.done_at = now

    def _record(self, order: Order, kind: str) -> None:
        csr, spki = digests(order.csr) if order.csr is not None else ("", "")
        reference = next(iter(order.tags), "") if kind == "order" else ""
        self._ledger.add(
            order.created,
            kind,
            order=order.number or order.request,
            reference=reference,
            spki_sha256=spki,
            csr_sha256=csr,
        )

    def _note(self, order: Order, kind: str, detail: str = "") -> None:
        self._ledger.add(self._clock.now(), kind, order=order.number or order.request, detail=detail)
