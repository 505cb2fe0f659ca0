"""Bodies that are too long are refused before anything reads them, so that many of them cost no memory."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chancery.doors.failures import too_long
from chancery.doors.lengths import BEFORE_LOGIN, most, within

_OWN = ("/acme/", "/api/bot/")
"""Doors that allow less, and refuse in words of their own."""
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class Bounds:
    """Refuses a body by the length that it says it has; one that does not say it breaks off where it is too long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; what is too long is left unread."""
        if not request.path.startswith(_OWN) and not within(request, most(request.path)):
            return too_long(request, most(request.path))
        return self._next(request)


def before_login(request: HttpRequest) -> HttpResponseBase | None:
    """Refuse, or bound, what somebody sends to a page who has not logged in; None where it may go on.

    Comes after the session is known and before anything reads a form, which the look at its token does. The API asks
    who somebody is before it reads anything.
    """
    if request.method in _BODILESS or request.path.startswith("/api/"):
        return None
    if request.user.is_authenticated or within(request, BEFORE_LOGIN):
        return None
    return too_long(request, BEFORE_LOGIN)
