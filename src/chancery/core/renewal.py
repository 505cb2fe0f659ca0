"""When a certificate is due for renewal."""

from __future__ import annotations

import hashlib
from datetime import datetime

_SHARE = 2 / 3
_SPREAD = 0.05


def renew_at(not_before: datetime, not_after: datetime, seed: str, share: float = _SHARE) -> datetime:
    """Return the moment at `share` of the lifetime, moved by up to 5 % of it either way.

    The move depends only on `seed` (the certificate's id), so that certificates issued together do not
    come due together, and one certificate is always due at the same moment.
    """
    life = not_after - not_before
    fraction = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") / 2**64
    return not_before + life * (share + _SPREAD * (2 * fraction - 1))
