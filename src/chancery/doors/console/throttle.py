"""Slows down whoever guesses passwords: each login name from each address has a few wrong tries, then a pause.

Kept in the memory of one serving process, so a guesser has the tries once for each; what is asked about is a name
*and* an address, so nobody can lock somebody else out from afar.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock

TRIES = 10
PAUSE = timedelta(minutes=5)
_MOST = 10_000

Who = tuple[str, str]
"""Login name and address."""


class Throttle:
    """Counts wrong tries; the oldest are forgotten where there are more than 10 000 names and addresses."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[Who, list[datetime]] = OrderedDict()
        self._lock = Lock()

    def pauses(self, who: Who, now: datetime) -> bool:
        """Say whether this name has had all its tries from this address in the last five minutes."""
        with self._lock:
            return len(self._recent(who, now)) >= TRIES

    def wrong(self, who: Who, now: datetime) -> bool:
        """Count one wrong try, and say whether it was the last before the pause."""
        with self._lock:
            tries = self._wrong[who] = [*self._recent(who, now), now]
            self._wrong.move_to_end(who)
            if len(self._wrong) > _MOST:
                self._wrong.popitem(last=False)
            return len(tries) == TRIES

    def right(self, who: Who) -> None:
        """Forget the wrong tries: the password was right."""
        with self._lock:
            self._wrong.pop(who, None)

    def _recent(self, who: Who, now: datetime) -> list[datetime]:
        return [at for at in self._wrong.get(who, ()) if now - at < PAUSE]


LOG_IN = Throttle()
"""The one of this process."""
