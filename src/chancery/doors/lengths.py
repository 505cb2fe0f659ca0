"""How long a body may be, by its address."""

from __future__ import annotations

import re

from django.conf import settings

MOST = 1024 * 1024
"""Bytes. A form or a document with a certificate request, a trust bundle and a key file has a tenth of it."""
_LONG = re.compile(r"/api/v1/orders/batch|(/api/v1)?/inventory/import")


def most(path: str) -> int:
    """Return how many bytes are read at an address: more where many things come at once."""
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if _LONG.fullmatch(path) else MOST
