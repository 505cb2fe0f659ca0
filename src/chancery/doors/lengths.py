"""How long a body may be: by its address, and shorter before it is known who sends it."""

from __future__ import annotations

import re
from contextlib import suppress

from chancery_bot import wire
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from chancery.apps.acme import jose

MOST = 1024 * 1024
"""Bytes. A form or a document with a certificate request, a trust bundle and a key file has a tenth of it."""
BEFORE_LOGIN = 256 * 1024
"""Bytes that a page reads from whoever has not logged in: a form, or what a provider of log-ins signed, with all groups."""
ENROLMENT = 64 * 1024
"""Bytes of the one message that a bot sends before it is known."""
UNTOLD = "chancery.untold"
"""Where the environment of a request keeps the source of a body that does not say how long it is."""
_LONG = re.compile(r"/api/v1/orders/batch|(/api/v1)?/inventory/import")
_DIGITS = 20


class TooLong(RequestDataTooBig):
    """More came than the `most` bytes that are read here; the rest is left unread."""

    def __init__(self, most: int) -> None:
        super().__init__(f"The body has more than {most} bytes.")
        self.most = most


def most(path: str) -> int:
    """Return how many bytes are read at an address: more where many things come at once."""
    if path.startswith("/acme/"):
        return jose.MOST_BYTES
    if path.startswith("/api/bot/"):
        return ENROLMENT if path == "/api/bot/enrol" else wire.MOST_BYTES
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if _LONG.fullmatch(path) else MOST


def within(request: HttpRequest, limit: int) -> bool:
    """Say whether a body may be read: by the length that it says; one that says none breaks off (`TooLong`) past `limit`."""
    source = request.META.get(UNTOLD)
    if source is not None:
        source.bound(limit)
        return True
    said = str(request.META.get("CONTENT_LENGTH") or "")
    return not (said.isascii() and said.isdigit() and int(said[:_DIGITS]) > limit)


def body(request: HttpRequest, limit: int) -> bytes | None:
    """Return the body; None where it is longer than `limit` bytes."""
    if within(request, limit):
        with suppress(TooLong):
            return request.body
    return None
