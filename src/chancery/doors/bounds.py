"""Bodies that are too long are refused before anything reads them, so that many of them cost no memory."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chancery.doors.failures import too_long
from chancery.doors.lengths import most

_OWN = ("/acme/", "/api/bot/")
"""Doors that allow less, and refuse in words of their own."""


class Bounds:
    """Refuses a body by the length that it says it has; one that does not say it is read within the same bounds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; what is too long is left unread."""
        said = str(request.META.get("CONTENT_LENGTH") or "")
        known = said.isascii() and said.isdigit() and not request.path.startswith(_OWN)
        if known and int(said[:20]) > most(request.path):
            return too_long(request, most(request.path))
        return self._next(request)
