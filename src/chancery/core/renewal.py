"""When a certificate is due for renewal."""

from __future__ import annotations

import hashlib
from datetime import datetime

SHARE = 2 / 3
"""How much of a lifetime passes before renewal, as ACME clients and RFC 9773 servers commonly have it."""

_SPREAD = 0.05


def renew_at(not_before: datetime, not_after: datetime, share: float = SHARE, seed: str = "") -> datetime:
    """Return the moment at `share` (0 to 1) of the lifetime, moved by up to 5 % of it either way.

    The move depends only on `seed` (the certificate's id), so that certificates issued together do not
    come due together, and one certificate is always due at the same moment. It stays inside the lifetime.
    """
    life = not_after - not_before
    fraction = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") / 2**64
    due = not_before + life * (share + _SPREAD * (2 * fraction - 1))
    return min(max(due, not_before), not_after)
