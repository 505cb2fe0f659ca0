"""Whatever answers below /api/, also when no route was reached, answers in JSON."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chancery.doors.api.refusals import as_problem, plain
from chancery.doors.problems import PROBLEM_JSON


class OnlyJson:
    """Turns the framework's own pages for errors below /api/ into problem documents."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with a problem document for every error."""
        if request.method == "HEAD" and f"{request.path}/".startswith("/api/"):
            # As GET (RFC 9110 section 9.3.2); the web server leaves the content out.
            request.method = "GET"
            response = self._json(request)
            request.method = "HEAD"
            return response
        return self._json(request)

    def _json(self, request: HttpRequest) -> HttpResponseBase:
        response = self._next(request)
        if response.status_code < 300 or not f"{request.path}/".startswith("/api/"):
            return response
        if response.status_code < 400:
            # No route of ours redirects; the framework does, to an address with a slash more, which is not there.
            return plain(request, 404)
        return response if response.headers.get("Content-Type") == PROBLEM_JSON else as_problem(request, response)
