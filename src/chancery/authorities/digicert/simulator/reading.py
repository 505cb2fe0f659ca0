"""Orders read: one, many, why one is stuck, what changed (B3.2, B3.3)."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.digicert.simulator.access import Access
from chancery.authorities.digicert.simulator.account import ORGANIZATIONS
from chancery.authorities.digicert.simulator.filters import OrderFilters, filters_of, page, sort
from chancery.authorities.digicert.simulator.mountain import moment
from chancery.authorities.digicert.simulator.refusal import Refusal, invalid
from chancery.authorities.digicert.simulator.showing import Showing
from chancery.authorities.digicert.simulator.state import Book, Change, Order
from chancery.authorities.digicert.simulator.validation import Validation
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Handler, Reply, json_reply

_LONGEST = timedelta(days=7)
_PENDING = {"pending", "needs_approval", "processing"}
"""Where the service tells what became of the look at CAA records (vendor's page *Order info*)."""


class Reading:
    """Reads only."""

    def __init__(
        self, book: Book, showing: Showing, validation: Validation, access: Access, dials: Dials, clock: Clock
    ) -> None:
        self._book, self._showing, self._validation = book, showing, validation
        self._access, self._dials, self._clock = access, dials, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("GET", "/order/certificate/status-changes", self._changes),
            ("GET", "/order/certificate", self._list),
            ("GET", "/order/certificate/{id}", self._info),
            ("GET", "/order/certificate/{id}/validation", self._stuck),
            ("GET", "/order/certificate/{id}/reissue", lambda http: self._certificates(http, duplicates=False)),
            ("GET", "/order/certificate/{id}/duplicate", lambda http: self._certificates(http, duplicates=True)),
        ]

    def _info(self, http: Http) -> Reply:
        order = self._access.order(http.params["id"])
        shown = self._showing.order(order)
        if http.first("include_caa_status") == "true" and order.status in _PENDING:
            shown["caa_status_message"] = {name: self._caa(order) for name in order.names}
        return json_reply(shown)

    def _caa(self, order: Order) -> str:
        if self._book.requests[order.requests[0]].status != "approved":
            return "CAA check is not called yet"
        return "CAA check failed" if self._dials.now.caa_fails else "CAA check passed"

    def _list(self, http: Http) -> Reply:
        now, dials = self._clock.now(), self._dials.now
        hidden = now - timedelta(seconds=dials.slow_index)
        rows = [o for o in self._book.orders.values() if self._access.sees(o)]
        rows = [o for o in rows if not dials.slow_index or o.created <= hidden]
        filters = OrderFilters(self._showing.status, now, strict_after=dials.strict_after)
        shown, where = page(http, sort(http, filters.apply(http, rows)))
        documents = [self._showing.row(o) for o in shown]
        if "text/csv" in http.headers.get("accept", ""):
            return Reply(200, _csv(documents), "text/csv")
        return json_reply({"orders": documents, "page": where})

    def _stuck(self, http: Http) -> Reply:
        order = self._access.order(http.params["id"])
        opened = set(self._validation.open_names(order)) if order.waiting else set()
        names = order.waiting.names if order.waiting else order.names
        shown = {
            "order_status": order.status,
            "organization_validations": [] if order.product.dv else self._organization(order),
            "dns_name_validations": [self._name(order, name, is_open=name in opened) for name in names],
        }
        return json_reply(shown)

    def _organization(self, order: Order) -> list[dict[str, Any]]:
        rows = self._validation.organization_row(ORGANIZATIONS[0])
        kind = "ev" if order.product.validation == "ev" else "ov"
        return [row | {"verification_details": {}} for row in rows if row["type"] == kind]

    def _name(self, order: Order, name: str, *, is_open: bool) -> dict[str, Any]:
        domain = self._validation.domain_of(name)
        return {
            "domain_id": domain.id if domain else None,
            "name_scope": domain.name if domain else name,
            "status": "pending" if is_open else "valid",
            "method": order.dcv_method,
            "dns_names": [name],
        }

    def _certificates(self, http: Http, *, duplicates: bool) -> Reply:
        order = self._access.order(http.params["id"])
        found = [c for c in order.certificates if (c.kind == "duplicate") == duplicates]
        return json_reply({"certificates": [self._showing.listed(c) for c in found]})

    def _changes(self, http: Http) -> Reply:
        begun, ended = self._window(http)
        rows: dict[int, Change] = {}
        for change in self._book.changes:
            order = self._book.orders[change.order]
            again = order.changed is not None and order.changed > ended
            if begun <= change.at <= ended and not again and self._access.sees(order):
                rows[change.order] = change
        if not rows:
            return json_reply({})
        return json_reply({"orders": [_change(c) for c in rows.values()]})

    def _window(self, http: Http) -> tuple[datetime, datetime]:
        ranges = filters_of(http, {"status_last_updated"}).get("status_last_updated", [])
        back = _back(http, "minutes", 60) + _back(http, "seconds", 1)
        named = {name for name, _ in http.query}
        if not ranges and not named & {"minutes", "seconds"}:
            raise invalid("status_last_updated", "At least one filter is required.")
        now = self._clock.now()
        begun, ended = _range(ranges[0]) if ranges else (now - back, now)
        if ended - begun > _LONGEST:
            raise Refusal(400, "time_frame_too_long", "The time frame is too long.")
        return begun, ended


def _change(change: Change) -> dict[str, Any]:
    """Return a changed state. An order without certificate shows no number: readers that want one choke on null."""
    certificate = {"certificate_id": change.certificate} if change.certificate is not None else {}
    return {"order_id": change.order, **certificate, "status": change.status}


def _back(http: Http, name: str, seconds: int) -> timedelta:
    text = http.first(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(name, f"The {name} are not a number.")
    return timedelta(seconds=int(text) * seconds)


def _range(text: str) -> tuple[datetime, datetime]:
    """Return the moments of `from...to`: days, or dates with times, in Mountain time."""
    low, _, high = text.partition("...")
    try:
        return moment(low), moment(high or low, end=True)
    except (ValueError, OverflowError):
        raise invalid("status_last_updated", "The date is not valid.") from None


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "status", "common_name", "product", "date_created", "valid_till"])
    for row in rows:
        certificate = row["certificate"]
        name, till = certificate["common_name"], certificate.get("valid_till", "")
        writer.writerow([row["id"], row["status"], name, row["product"]["name"], row["date_created"], till])
    return text.getvalue().encode()
