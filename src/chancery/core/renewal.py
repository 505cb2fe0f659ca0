"""When a certificate is due for renewal, and when it is time to worry about one that was not renewed."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

SHARE = 2 / 3
"""How much of a lifetime passes before renewal, as ACME clients and RFC 9773 servers commonly have it."""

_SPREAD = 0.05
_LONGEST_WARNING, _LONGEST_REST = timedelta(days=30), timedelta(hours=12)
_LEAST_GAP, _SHORTEST_GAP, _GAPS_LEFT = timedelta(hours=1), timedelta(minutes=1), 8


def renew_at(not_before: datetime, not_after: datetime, share: float = SHARE, seed: str = "") -> datetime:
    """Return the moment at `share` (0 to 1) of the lifetime, moved by up to 5 % of it either way.

    The move depends only on `seed` (the certificate's id), so that certificates issued together do not
    come due together, and one certificate is always due at the same moment. It stays inside the lifetime.
    """
    life = not_after - not_before
    due = not_before + life * (share + _SPREAD * (2 * _fraction(seed) - 1))
    return min(max(due, not_before), not_after)


def within(start: datetime, end: datetime, seed: str) -> datetime:
    """Return a moment of a window that a CA suggests (RFC 9773 section 4.2): spread, and for one certificate the same."""
    return start + (end - start) * _fraction(seed)


def rest(life: timedelta) -> timedelta:
    """Return for how long a certificate that has just replaced another is kept, though the CA's window be over already."""
    return min(life / 10, _LONGEST_REST)


def worry_at(not_before: datetime, not_after: datetime, share: float = SHARE) -> datetime:
    """Return from when on a certificate that was not renewed is told of: half-way between its renewal and its end.

    A month before the end at the earliest, however long it lives.
    """
    return not_after - min((not_after - not_before) * (1 - share) / 2, _LONGEST_WARNING)


def again_after(left: timedelta) -> timedelta:
    """Return how long to wait after a renewal that came to nothing: an eighth of what is left, an hour at least.

    Of what lives for hours only, half of what is left: the next try comes before the end, and never in less than a minute.
    """
    return max(left / _GAPS_LEFT, min(_LEAST_GAP, left / 2), _SHORTEST_GAP)


def _fraction(seed: str) -> float:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") / 2**64
