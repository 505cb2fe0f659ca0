"""Logging in and out: a password, then a second factor where there is one; or a passkey, which is both."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from allauth.core.context import request_context
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts import entering, factors, providers, queries, sessions
from chancery.apps.accounts.models import User
from chancery.apps.shared.action import current_clock
from chancery.doors.console.views.base import show

_HALF = "half"
"""Where a session keeps who has shown the password and not yet the second factor."""
_SOON = timedelta(minutes=10)
PAUSED = "Too many wrong tries. Wait an hour, or ask whoever runs the server to end the pause."


def log_in(request: HttpRequest) -> HttpResponse:
    """Ask for name and password, or for a passkey."""
    wrong, code = "", 200
    wanted = request.POST.get("next", "") or request.GET.get("next", "")
    if request.method == "POST":
        wrong, code = _by_passkey(request, None) if "credential" in request.POST else _by_password(request)
        if not wrong:
            return to_second() if _HALF in request.session else after(request, wanted)
    return show(request, None, "login", {"wrong": wrong, "next": wanted, "providers": providers.rows()}, code)


def second(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor of whoever has shown the password."""
    user = _half(request)
    if user is None:
        return redirect("login")
    wrong, code = "", 200
    if request.method == "POST":
        wanted = request.session[_HALF]["next"]
        wrong, code = _by_passkey(request, user) if "credential" in request.POST else _by_code(request, user)
        if not wrong:
            return after(request, wanted)
    return show(request, None, "login_second", {"wrong": wrong, "passkeys": factors.has_passkey(user)}, code)


def challenge(request: HttpRequest) -> HttpResponse:
    """Return what the browser asks a passkey: one of whoever has shown the password, or any that knows whose it is."""
    with request_context(request):
        return JsonResponse(factors.challenge(_half(request)))


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    leave(request)
    return redirect("login")


def leave(request: HttpRequest) -> None:
    """End a session and record it."""
    user, address = request.user, request.META.get("REMOTE_ADDR", "")
    if isinstance(user, User):
        entering.leave(queries.actor_of(user, how="session", address=address), lambda: logout(request))
    else:
        logout(request)


def enter(request: HttpRequest, user: User, how: str, *, strong: bool) -> None:
    """Begin a session and record it."""
    address = request.META.get("REMOTE_ADDR", "")

    def begin() -> None:
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        request.session.pop(_HALF, None)
        sessions.describe(request, how, strong=strong)
        entering.succeeded(user, address)

    entering.enter(queries.actor_of(user, how=how, address=address), begin)


def begin_half(request: HttpRequest, user: User, how: str, wanted: str) -> None:
    """Keep that somebody has shown one factor, and has to show another."""
    at = current_clock().now().isoformat()
    request.session.cycle_key()
    password = user.get_session_auth_hash()
    request.session[_HALF] = {"user": user.pk, "at": at, "next": wanted, "how": how, "password": password}


def to_second() -> HttpResponse:
    """Go on to the second factor."""
    return redirect("login_second")


def after(request: HttpRequest, wanted: str) -> HttpResponse:
    """Go on to the page that was wanted, if it is one of ours."""
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    # What is no path could be taken for the name of a page, with parts that it has not.
    return HttpResponseRedirect(wanted if safe and wanted.startswith("/") else reverse("home"))


def _by_password(request: HttpRequest) -> tuple[str, int]:
    """Begin a session or half of one, or return why not with the status to say it with."""
    name, address = request.POST.get("username", "").strip().lower(), request.META.get("REMOTE_ADDR", "")
    left = entering.attempt(name, address)
    if not left:
        return _(PAUSED), 429
    user = authenticate(request, username=name, password=request.POST.get("password", ""))
    if not isinstance(user, User):
        entering.turn_away(name, address, paused=left == 1)
        return _("Login name or password is wrong."), 403
    if factors.has_any(user):
        begin_half(request, user, entering.HOW, request.POST.get("next", ""))
    else:
        enter(request, user, entering.HOW, strong=False)
    return "", 200


def _by_code(request: HttpRequest, user: User) -> tuple[str, int]:
    name, address = user.username, request.META.get("REMOTE_ADDR", "")
    left = entering.attempt(name, address)
    if not left:
        return _(PAUSED), 429
    kind = factors.prove(user, request.POST.get("code", "")[:40])
    if not kind:
        entering.turn_away(name, address, paused=left == 1, reason="wrong_code")
        return _("This code is wrong, or was used before. Wait for the next one."), 403
    enter(request, user, f"{request.session[_HALF]['how']}+{kind}", strong=True)
    return "", 200


def _by_passkey(request: HttpRequest, user: User | None) -> tuple[str, int]:
    """Begin a session by a passkey: of anybody, or of whoever has shown the password."""
    address = request.META.get("REMOTE_ADDR", "")
    with request_context(request):
        owner = factors.answered(credential(request), user)
    if owner is None:
        entering.turn_away(user.username if user else "", address, paused=False, reason="wrong_passkey")
        return _("This passkey is not known here, or the page is too old. Try again."), 403
    enter(request, owner, "passkey" if user is None else f"{request.session[_HALF]['how']}+passkey", strong=True)
    return "", 200


def credential(request: HttpRequest) -> dict[str, Any]:
    """Return what a passkey answered, as the page's script put it into the form; empty where it is nothing usable."""
    try:
        found = json.loads(request.POST.get("credential", ""))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _half(request: HttpRequest) -> User | None:
    """Return who has shown the password in this session lately; a new password ends such halves as it ends sessions."""
    half = request.session.get(_HALF)
    at = parse_datetime(half["at"]) if half else None
    if not half or at is None or current_clock().now() - at > _SOON:
        return None
    user = User.objects.filter(pk=half["user"], is_active=True).first()
    return user if user and constant_time_compare(user.get_session_auth_hash(), half.get("password", "")) else None
