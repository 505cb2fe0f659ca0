"""The search for a lost order without rights of a CA manager: ids are sequential, and anybody may read any (A8.2).

From an id that the CA has, the newest is found by doubling steps; from there it goes back, until the request's key is found
or a certificate a day older than the order shows that nothing below it can be the order's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography import x509

from chancery.authorities.adcs.client import CertsrvClient
from chancery.authorities.adcs.hresults import UNKNOWN_ID
from chancery.authorities.adcs.pages import Verdict
from chancery.core.certificate import spki_of
from chancery.core.decoding import UNREADABLE
from chancery.protocols.negotiate import Session
from chancery.sdk.authority import Request
from chancery.sdk.errors import OutcomeUnknown
from chancery.sdk.outcome import Absence

MOST = 200
"""Requests read in one search."""
_OLDER = timedelta(days=1)
"""CAs date their certificates back, as far as they are set to, and clocks differ: too short, and our own would look old."""
_LARGEST = 2**31 - 1
_LISTED, _AHEAD = 10, 16


def newest(client: CertsrvClient, session: Session, request: Request, start: int) -> tuple[int, bytes] | Absence:
    """Return the id and certificate (DER) that is for the request's key.

    An `Absence` only where every newer request showed a certificate with another key. Raises `OutcomeUnknown` where some
    show no key, since they wait or were denied, where several are for the key, or where the search reached its limit.
    """
    budget = _Budget(lambda number: client.certificate(session, number))
    last = _last(budget, start)
    seen = _Seen(request)
    for number in range(last, 0, -1):
        if budget.spent >= MOST:
            seen.cut = f"it is not among the newest requests, {number + 1} to {last}, that one search reads"
            break
        if seen.note(number, budget.ask(number)):
            break
    return seen.conclusion(last)


class _Seen:
    """What the requests read so far say about one order."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._mine: list[tuple[int, bytes]] = []
        self._blind: list[int] = []
        self._oldest = 0
        self.cut = ""

    def note(self, number: int, found: bytes | Verdict) -> bool:
        """Take note of one; say whether everything below it is older than the order."""
        self._oldest = number
        if isinstance(found, Verdict):
            self._blind.append(number)
            return False
        if _is_older(found, self._request.intended_at):
            return True
        if spki_of(found) == self._request.spki_sha256:
            self._mine.append((number, found))
        return False

    def conclusion(self, last: int) -> tuple[int, bytes] | Absence:
        """Return what was found, or that nothing is there."""
        if len(self._mine) == 1:
            return self._mine[0]
        if self._mine:
            raise _open("several requests are for this key", [number for number, _ in self._mine])
        if self.cut or self._blind:
            raise _open(self.cut or "some requests wait or were denied, and show no key", self._blind)
        text = f"Requests {self._oldest} to {last} of the CA were read, back to one from before the order: none is for its key."
        return Absence(text)


def _last(budget: _Budget, start: int) -> int:
    """Return the newest id: steps from `start` on double until there is no such request, then halve."""
    if not budget.exists(start):
        text = f"the CA has no request {start}, where the search starts"
        raise _open(text, [], "Set the connector's search to an id that the CA has, from not long ago.")
    if budget.spent >= MOST:
        raise _open(f"the newest request lies somewhere beyond {start}", [])
    low, step = start, 1
    while low + step <= _LARGEST and budget.exists(low + step):
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if budget.exists(middle) else (low, middle)
    # A row that was deleted looks like the end: what lies right behind it is looked at too.
    ahead = next((n for n in range(low + 1, low + 1 + _AHEAD) if budget.exists(n)), 0)
    return _last(budget, ahead) if ahead else low


class _Budget:
    """Counts what was read, and reads nothing twice."""

    def __init__(self, read: Callable[[int], bytes | Verdict]) -> None:
        self._read = read
        self._seen: dict[int, bytes | Verdict] = {}

    @property
    def spent(self) -> int:
        return len(self._seen)

    def ask(self, number: int) -> bytes | Verdict:
        """Return the certificate of a request, or what the page says instead."""
        if number not in self._seen:
            self._seen[number] = self._read(number)
        return self._seen[number]

    def exists(self, number: int) -> bool:
        """Say whether the CA has a request of this id."""
        found = self.ask(number)
        return isinstance(found, bytes) or found.code != UNKNOWN_ID


def _is_older(der: bytes, moment: datetime) -> bool:
    try:
        return x509.load_der_x509_certificate(der).not_valid_before_utc < moment - _OLDER
    except UNREADABLE:
        return False


def _open(why: str, blind: list[int], remedy: str = "") -> OutcomeUnknown:
    listed = ", ".join(map(str, blind[:_LISTED]))
    return OutcomeUnknown(
        f"The search does not tell whether the CA has the order: {why}.",
        code="search",
        text=f"requests: {listed}" if listed else "",
        stage="response",
        bytes_sent=False,
        remedy=remedy
        or "Look for it in the CA's console (by requester, or its attribute chancery-request), and enter its id.",
    )
