"""Notes on orders, and the account's count of what ends soon (vendor's pages *Add note*, *Expiring orders and certificates*)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chancery.authorities.digicert.simulator.access import Access
from chancery.authorities.digicert.simulator.account import visible
from chancery.authorities.digicert.simulator.filters import container_of
from chancery.authorities.digicert.simulator.refusal import invalid
from chancery.authorities.digicert.simulator.requesting import object_of
from chancery.authorities.digicert.simulator.showing import stamp
from chancery.authorities.digicert.simulator.state import Book, Order
from chancery.core.clock import Clock
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Handler, Reply, json_reply

_SPANS = ((90, 60, 91), (60, 30, 60), (30, 1, 30), (-7, -7, 1))
"""(word, from, before), in whole days until the end; the first span holds its last day too."""


class Telling:
    """What people write to orders, and what the account is told of them."""

    def __init__(self, book: Book, access: Access, clock: Clock) -> None:
        self._book, self._access, self._clock = book, access, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("POST", "/order/certificate/{id}/note", self._note),
            ("GET", "/report/order/expiring", self._expiring),
        ]

    def _note(self, http: Http) -> Reply:
        order, text = self._access.order(http.params["id"]), object_of(http).get("text")
        if not isinstance(text, str) or not text.strip():
            raise invalid("text", "A text is required.")
        key = self._access.key
        user = {"id": key.user, "username": key.username}
        note = {"id": len(order.notes) + 1, "date_created": stamp(self._clock.now()), "text": text, "user": user}
        order.notes.append(note)
        return json_reply(note, 201, acted=True)

    def _expiring(self, http: Http) -> Reply:
        within = container_of(http)
        orders = [o for o in self._book.orders.values() if self._access.sees(o) and o.certificates]
        if within is not None:
            orders = [o for o in orders if o.container in visible(within)]
        certificates = http.first("include_expiring_certs") == "true"
        ends = _of_certificates(orders) if certificates else [o.valid_till for o in orders]
        name = "count" if certificates else "order_count"
        return json_reply({"expiring_orders": _counted(self._clock.now(), ends, name)})


def _of_certificates(orders: Iterable[Order]) -> list[datetime]:
    return [c.leaf.not_valid_after_utc for o in orders for c in o.certificates if not c.revoked]


def _counted(now: datetime, ends: list[datetime], name: str) -> list[dict[str, Any]]:
    left = [(end.date() - now.date()).days for end in ends]
    return [{"days_expiring": word, name: sum(low <= d < high for d in left)} for word, low, high in _SPANS]
