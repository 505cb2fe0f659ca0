"""How long a body may be, by its address: decided before anything reads it, so that many long ones cost no memory."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

MOST = 1024 * 1024
"""Bytes. A form or a document with a certificate request, a trust bundle and a key file has a tenth of it."""
_LONG = re.compile(r"/api/v1/orders/batch|(/api/v1)?/inventory/import")


def most(path: str) -> int:
    """Return how many bytes are read at an address: more where many things come at once."""
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if _LONG.fullmatch(path) else MOST


class Bounds:
    """Refuses a body by the length that it says it has; one that does not say it is read within the same bounds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; what is too long is left unread."""
        said = str(request.META.get("CONTENT_LENGTH") or "")
        if said.isascii() and said.isdigit() and int(said[:20]) > most(request.path):
            text = f"The body is larger than this server reads here ({most(request.path)} bytes). Send less at once."
            return HttpResponse(text, status=413, content_type="text/plain; charset=utf-8")
        return self._next(request)
