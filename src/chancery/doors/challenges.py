"""Answers http-01 challenges (RFC 8555 section 8.3) to whoever asks, whatever name and scheme they came by.

A CA asks by plain HTTP and by the name that it validates, which no setting lists, and without a login. So this stands
before everything that looks at a request's host, session or token. It knows one path and one table, reads nothing
else of the request, and everything that is not below that path goes on as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from chancery.apps.orders import published

PREFIX = "/.well-known/acme-challenge/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_METHODS = ("GET", "HEAD")


class Challenges:
    """Answers below `PREFIX`, and lets everything else through."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a challenge, or hand the request on."""
        if not request.path_info.startswith(PREFIX):
            return self._next(request)
        if request.method not in _METHODS:
            return _plain("GET and HEAD are answered here.", 405, Allow=", ".join(_METHODS))
        token = request.path_info.removeprefix(PREFIX)
        text = published.find(token) if _TOKEN.fullmatch(token) else None
        return _plain("No challenge waits here.", 404) if text is None else _plain(text, 200)


def _plain(text: str, status: int, **headers: str) -> HttpResponse:
    fixed = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(text, status=status, content_type="text/plain; charset=ascii", headers={**fixed, **headers})
