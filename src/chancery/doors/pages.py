"""What only people's pages need: sessions, languages, CSRF tokens, messages, files.

A program that comes to the API with a token of its own has no use for any of it, and looking at each request with all of
it costs as much as answering does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.module_loading import import_string

from chancery.doors.bounds import before_login

_INNER = (
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)


class ForPages:
    """Sends a request through the framework's middleware for pages, or past it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._direct = self._whole = get_response
        self._view_hooks: list[Callable[..., HttpResponseBase | None]] = []
        for name in reversed(_INNER):
            layer = import_string(name)(self._whole)
            self._whole = layer
            if hasattr(layer, "process_view"):
                self._view_hooks.insert(0, layer.process_view)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        if not _from_program(request):
            return self._whole(request)
        # The thread may have answered somebody in another language before.
        translation.deactivate()
        return self._direct(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Let each layer look at the view before it runs, in order; the first answer stands."""
        if _from_program(request):
            return None
        if (refused := before_login(request)) is not None:
            return refused
        answers = (hook(request, view, args, kwargs) for hook in self._view_hooks)
        return next((answer for answer in answers if answer is not None), None)


def _from_program(request: HttpRequest) -> bool:
    """Say whether this is for the API and stands or falls by a token of its own, or is a message of an ACME client."""
    path = request.path_info
    return path.startswith("/acme/") or ("HTTP_AUTHORIZATION" in request.META and path.startswith("/api/"))
