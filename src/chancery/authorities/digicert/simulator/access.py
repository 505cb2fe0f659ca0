"""What an API key may do (B1): its own restriction, its user's role, and its division."""

from __future__ import annotations

from typing import Any

from chancery.authorities.digicert.simulator.account import ROLES, Key, visible
from chancery.authorities.digicert.simulator.refusal import denied, missing
from chancery.authorities.digicert.simulator.state import Book, Certificate, Order
from chancery.sandbox.dials import Dials

_APPROVERS = {1, 4}
_ORDERS = ("/order", "/certificate", "/request")
_WRITES = {0: ("",), 100: _ORDERS, 101: (*_ORDERS, "/domain", "/organization"), 102: (), 103: ("/user",)}
_READS = {103: ("/user",)}


class Access:
    """The key of the request that is being answered; one at a time."""

    def __init__(self, book: Book, dials: Dials) -> None:
        self._book, self._dials = book, dials
        self.key = Key("", 0, "")

    def enter(self, key: Key, method: str, path: str) -> None:
        """Take the key for this call; raises the 403 where its restriction forbids it."""
        self.key = key
        allowed = _READS.get(key.restriction, ("",)) if method == "GET" else _WRITES[key.restriction]
        if not path.startswith(allowed):
            raise denied()

    def skips_approval(self, body: dict[str, Any]) -> bool:
        """Say whether this call needs no approver: the key's user may skip it and asks to, or the account needs none."""
        asked, may = body.get("skip_approval") is True, self.key.role in _APPROVERS
        if asked and not may and self._dials.now.skip_refused:
            raise denied()
        return bool(self._dials.now.auto_approve or (asked and may and not self._dials.now.needs_approval))

    def check_approver(self) -> None:
        """Raise the 403 for a user who may not decide requests: a limited one."""
        if ROLES[self.key.role] == "Limited User":
            raise denied("invalid_approver")

    def sees(self, order: Order) -> bool:
        """Say whether an order lies in the user's division, or below it."""
        return order.container in visible(self.key.container)

    def order(self, ident: str) -> Order:
        """Return an order by id, or by serial or thumbprint of its primary certificate; raises the 404."""
        found = self._book.order(ident)
        if found is None or not self.sees(found):
            raise missing("order", "The specified order could not be found.")
        return found

    def certificate(self, ident: str) -> Certificate:
        """Return a certificate by id or serial; raises the 404."""
        found = self._book.certificate(ident)
        if found is None or not self.sees(self._book.order_of(found)):
            raise missing("", "The certificate could not be found.")
        return found
