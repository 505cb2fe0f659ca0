"""Approvals, cancel and revoke (B4, B6)."""

from __future__ import annotations

from typing import Any

from chancery.authorities.digicert.simulator.access import Access
from chancery.authorities.digicert.simulator.filters import filters_of, page
from chancery.authorities.digicert.simulator.lifecycle import Lifecycle
from chancery.authorities.digicert.simulator.refusal import Refusal, invalid, missing
from chancery.authorities.digicert.simulator.requesting import object_of
from chancery.authorities.digicert.simulator.showing import Showing
from chancery.authorities.digicert.simulator.state import Book, Certificate, Order, Request, is_number
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Handler, Reply, json_reply

REASONS = {"unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"}
_OPEN = {"pending", "submitted"}
_CANCELABLE = {"pending", "waiting_pickup", "reissue_pending"}
_UNDECIDED = {"needs_approval", "needs_csr", "processing"}


class Deciding:
    """What ends or releases something."""

    def __init__(
        self, book: Book, lifecycle: Lifecycle, showing: Showing, access: Access, dials: Dials, clock: Clock
    ) -> None:
        self._book, self._lifecycle, self._showing = book, lifecycle, showing
        self._access, self._dials, self._clock = access, dials, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("GET", "/request", self._list),
            ("GET", "/request/{id}", self._show),
            ("PUT", "/request/{id}/status", self._decide),
            ("PUT", "/order/certificate/{id}/status", self._cancel),
            ("PUT", "/order/certificate/{id}/revoke", self._revoke_order),
            ("PUT", "/certificate/{id}/revoke", self._revoke),
        ]

    def _list(self, http: Http) -> Reply:
        wanted = filters_of(http, {"status"}).get("status")
        rows = [r for r in self._book.requests.values() if self._access.sees(self._book.orders[r.order])]
        rows = [r for r in rows if wanted is None or r.status in wanted]
        shown, where = page(http, rows)
        return json_reply({"requests": [self._showing.request_page(r) for r in shown], "page": where})

    def _show(self, http: Http) -> Reply:
        return json_reply(self._showing.request_page(self._request(http)))

    def _request(self, http: Http) -> Request:
        ident = http.params["id"]
        found = self._book.requests.get(int(ident)) if is_number(ident) else None
        if found is None or not self._access.sees(self._book.orders[found.order]):
            raise missing("", "The request could not be found.")
        return found

    def _decide(self, http: Http) -> Reply:
        request, body = self._request(http), object_of(http)
        status, comment = body.get("status"), str(body.get("processor_comment") or "")
        if status not in {"approved", "rejected", "submitted", "pending"}:
            raise invalid("status", "The status is not allowed.")
        self._access.check_approver()
        if request.status not in _OPEN:
            raise invalid("status", "The request is no longer pending.")
        if status == "approved":
            self._lifecycle.approve(request, self._access.key, comment)
        elif status == "rejected":
            self._lifecycle.reject(request, self._access.key, comment)
        else:
            request.status = str(status)
        return Reply(204, acted=True)

    def _cancel(self, http: Http) -> Reply:
        order, body = self._access.order(http.params["id"]), object_of(http)
        if body.get("status") != "CANCELED":
            raise invalid("status", "The status is not allowed.")
        allowed = _CANCELABLE if self._dials.now.strict_cancel else _CANCELABLE | _UNDECIDED
        if order.status not in allowed:
            raise invalid("status", "The order can no longer be canceled.")
        self._lifecycle.cancel(order, str(body.get("note") or ""))
        return Reply(204, acted=True)

    def _revoke(self, http: Http) -> Reply:
        found = self._access.certificate(http.params["id"])
        order = self._book.order_of(found)
        return self._do(http, order, [found], found.id)

    def _revoke_order(self, http: Http) -> Reply:
        order = self._access.order(http.params["id"])
        if not order.certificates:
            raise invalid("status", "The order has no certificate to revoke.")
        return self._do(http, order, order.certificates, 0)

    def _do(self, http: Http, order: Order, certificates: list[Certificate], number: int) -> Reply:
        body: dict[str, Any] = object_of(http) if http.body else {}
        reason = str(body.get("revocation_reason") or "unspecified")
        if order.product.type == "ssl_certificate" and reason not in REASONS:
            raise invalid("revocation_reason", "The revocation reason is not allowed.")
        if order.status == "reissue_pending":
            raise invalid("status", "A certificate with a pending reissue cannot be revoked.")
        if all(c.revoked for c in certificates):
            raise Refusal(400, self._dials.now.revoked_code, "The certificate has already been revoked.")
        # The documents' table calls the text `comment`, their examples `comments`: both are taken.
        comments = str(body.get("comments") or body.get("comment") or "")
        now, key = self._clock.now(), self._access.key
        if self._access.skips_approval(body):
            self._lifecycle.revoke(order, certificates, reason, whole=number == 0)
            return Reply(204, acted=True)
        request = Request(next(self._book.numbers), "revoke", "pending", order.id, now, key, number, reason, comments)
        self._book.requests[request.id] = request
        order.requests.append(request.id)
        return json_reply(self._showing.request(request), 201, acted=True)
