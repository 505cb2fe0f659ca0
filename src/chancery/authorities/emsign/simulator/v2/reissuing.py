"""`POST /ssl-certificates/{id}/reissue`: seen live, it makes a new order; the specification says that the number stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chancery.authorities.emsign.simulator.book import REASONS, Book, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.requests import csr_of
from chancery.authorities.emsign.simulator.v2.following import Following
from chancery.authorities.emsign.simulator.v2.ordering import object_of, texts
from chancery.authorities.emsign.simulator.v2.refusal import Refusal, wrong_state
from chancery.authorities.emsign.simulator.v2.showing import stamp
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Handler, Reply, json_reply


class Reissuing:
    """Makes reissues."""

    def __init__(self, book: Book, lifecycle: Lifecycle, following: Following, dials: Dials, clock: Clock) -> None:
        self._book, self._lifecycle, self._following = book, lifecycle, following
        self._dials, self._clock = dials, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handler."""
        return [("POST", "/ssl-certificates/{id}/reissue", self._reissue)]

    def _reissue(self, asked: Asked) -> Reply:
        old, body = self._following.order(asked), object_of(asked)
        if old.leaf is None or old.revoked or old.ended:
            raise wrong_state("Order not in a reissue-able state")
        if not body.get("reason"):
            raise Refusal(422, "Reissue: reason missing", "EMS-941")
        mode = body.get("mode")
        made = self._made(old, body, str(mode))
        if self._dials.now.keeps_id:
            self._replace(old, made)
        self._lifecycle.place(made, "reissue")
        # What is not said counts as no.
        if body.get("revokePrevious") is True:
            self._lifecycle.revoke(old, _reason(body), str(body["reason"]))
        found = {"orderId": made.number, "requestId": made.request, "status": self._lifecycle.status(made)}
        return json_reply({**found, "mode": mode, "requestedAt": stamp(made.created)}, 201, acted=True)

    def _made(self, old: Order, body: dict[str, Any], mode: str) -> Order:
        if mode not in {"rekey", "update-sans"}:
            raise Refusal(422, "Reissue: unknown mode", "EMS-941")
        csr = csr_of(body.get("csr")) if mode == "rekey" else old.csr
        if csr is None:
            raise Refusal(422, "Reissue: invalid CSR", "EMS-940")
        base = self._book.order(old.base) or old
        base.reissues += 1
        number = f"{base.number}R{base.reissues:03d}"
        names = [*old.names, *texts(body.get("additionalDomains"))] if mode == "update-sans" else list(old.names)
        return replace(
            old,
            number=old.number if self._dials.now.keeps_id else number,
            request=self._book.next_numbers()[1],
            names=names,
            csr=csr,
            created=self._clock.now(),
            checks=dict(old.checks),
            tags=list(old.tags) if self._dials.now.keeps_id else [],
            leaf=None,
            chain=[],
            ready_at=None,
            sign_at=None,
            issued_at=None,
            downloaded=False,
            revocation=None,
            base=base.number,
            reissues=0,
        )

    def _replace(self, old: Order, made: Order) -> None:
        """Put the reissue where the old order was: the certificate behind the number changes."""
        made.base, made.reissues = "", old.reissues
        self._book.orders.remove(old)


def _reason(body: dict[str, Any]) -> str:
    reason = str(body.get("revokeReason") or "")
    if reason not in REASONS:
        raise Refusal(422, "Revoke reason ID missing", "EMS-969")
    return reason
