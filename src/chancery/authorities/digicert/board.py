"""One request for all waiting orders instead of one each (B12): what changed in the last minutes (B3.3)."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timedelta

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.read import number, rows, word
from chancery.core.clock import Clock
from chancery.sdk.errors import AuthFailed, AuthorityError, Throttled, Unreachable

WORTH = 20
"""From so many waiting orders on the list of changes is cheaper than looking at each."""
STALE = timedelta(minutes=1)
ANYWAY = timedelta(minutes=30)
"""After so long an order is looked at all the same: what is open may change without its status."""
_OVERLAP = timedelta(minutes=5)
_LONGEST = timedelta(minutes=10_080)
_REST = timedelta(hours=1)
_REMEMBERED = timedelta(minutes=10)


class Board:
    """The account's changes as far as they were read; safe between threads."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._waiting: dict[str, datetime] = {}
        self._status: dict[str, str] = {}
        self._from: datetime | None = None
        self._to: datetime | None = None
        self._off_until: datetime | None = None
        self._lock = threading.Lock()

    def unchanged(self, order: str, status: str, looked: datetime) -> bool:
        """Say whether an order certainly still has the `status` that it had when it was `looked` at.

        False where that is not known, where it is not worth a list, or where it is time to look anyway.
        """
        now = self._clock.now()
        with self._lock:
            self._waiting[order] = now
            self._waiting = {o: at for o, at in self._waiting.items() if now - at < _REMEMBERED}
            off = self._off_until is not None and now < self._off_until
            if len(self._waiting) < WORTH or off or now - looked >= ANYWAY or looked > now:
                return False
            return self._covers(looked, now) and self._status.get(order, status) == status

    def _covers(self, looked: datetime, now: datetime) -> bool:
        fresh = self._to is not None and now - self._to < STALE
        if not (fresh and self._from is not None and self._from <= looked):
            since = min(looked, self._to or looked) - _OVERLAP
            self._read(max(since, now - _LONGEST), now)
        return self._from is not None and self._from <= looked

    def _read(self, since: datetime, now: datetime) -> None:
        minutes = math.ceil((now - since) / timedelta(minutes=1))
        try:
            answer = self._client.get("order/certificate/status-changes", {"minutes": str(minutes)})
        except (Unreachable, Throttled, AuthFailed):
            raise
        except AuthorityError:
            self._give_up(now)
            return
        if answer and "orders" not in answer:
            self._give_up(now)
            return
        if self._from is None or since < self._from or self._to is None or since > self._to:
            self._from = since
        self._to = now
        self._status = {o: s for o, s in self._status.items() if o in self._waiting}
        for row in rows(answer.get("orders")):
            self._status[number(row.get("order_id"))] = word(row.get("status")).lower()

    def _give_up(self, now: datetime) -> None:
        """Read no list for a while: this key may not, or the account has none."""
        self._off_until, self._from, self._to = now + _REST, None, None
        self._status.clear()
