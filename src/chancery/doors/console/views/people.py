"""Logging in and out, passwords, tokens, people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts import actions, entering, queries
from chancery.apps.accounts.models import Environment, Team, User
from chancery.apps.accounts.permissions import ROLES, Permission
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent
from chancery.doors.console.throttle import LOG_IN
from chancery.doors.console.views.base import attempt, page, show, whole


def log_in(request: HttpRequest) -> HttpResponse:
    """Ask for name and password."""
    wrong, code = "", 200
    wanted = request.POST.get("next", "") or request.GET.get("next", "")
    if request.method == "POST":
        wrong, code = _enter(request)
        if not wrong:
            safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
            return redirect(wanted if safe else "home")
    return show(request, None, "login", {"wrong": wrong, "next": wanted}, code)


def _enter(request: HttpRequest) -> tuple[str, int]:
    """Begin a session, or return why not with the status to say it with."""
    name = request.POST.get("username", "").strip().lower()
    address = request.META.get("REMOTE_ADDR", "")
    who, now = (name[:150], address), current_clock().now()
    if LOG_IN.pauses(who, now):
        return _("Too many wrong tries. Wait five minutes, then try again."), 429
    user = authenticate(request, username=name, password=request.POST.get("password", ""))
    if not isinstance(user, User):
        entering.turn_away(name, address, paused=LOG_IN.wrong(who, now))
        return _("Login name or password is wrong."), 403
    LOG_IN.right(who)
    entering.enter(queries.actor_of(user, how=entering.HOW, address=address), lambda: login(request, user))
    return "", 200


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    user, address = request.user, request.META.get("REMOTE_ADDR", "")
    if isinstance(user, User):
        entering.leave(queries.actor_of(user, how="session", address=address), lambda: logout(request))
    else:
        logout(request)
    return redirect("login")


def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password."""
    user = request.user
    if not isinstance(user, User):
        return redirect("login")
    wrong = ""
    if request.method == "POST":
        wrong = _change(request, user)
        if not wrong:
            messages.success(request, _("Your password is changed."))
            return redirect("home")
    return show(request, None, "password", {"wrong": wrong, "forced": user.must_change_password})


def _change(request: HttpRequest, user: User) -> str:
    fresh = request.POST.get("fresh", "")
    if not user.check_password(request.POST.get("present", "")):
        return _("The present password is wrong.")
    if fresh != request.POST.get("again", ""):
        return _("The two new passwords differ.")
    try:
        validate_password(fresh, user)
    except ValidationError as error:
        return " ".join(error.messages)
    actor = queries.actor_of(user, how="session", address=request.META.get("REMOTE_ADDR", ""))
    actions.change_own_password(actor, fresh)
    user.refresh_from_db()
    update_session_auth_hash(request, user)
    return ""


@page
def people(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List people, add one."""
    if request.method == "POST":
        given = request.POST.get("password", "")
        name, grant = request.POST.get("username", ""), _grant(request)
        added = attempt(
            request,
            lambda: actions.create_user(actor, name, given, grants=[grant], must_change_password=True),
            _("The person was added; the password works once."),
        )
        if added:
            return redirect("people")
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("search", "cursor")}
    context = {
        "page": queries.people(actor, **asked),
        "asked": asked,
        "roles": sorted(ROLES),
        "teams": Team.objects.order_by("name"),
        "environments": Environment.objects.order_by("name"),
        "posted": request.POST,
    }
    return show(request, actor, "people", context, 422 if request.method == "POST" else 200)


def _grant(request: HttpRequest) -> tuple[str, int | None, int | None]:
    """Return the role that the form names, for one team and environment or for all."""
    team, environment = (
        whole(request.POST[field], field) if request.POST.get(field) else None for field in ("team", "environment")
    )
    return request.POST.get("role", ""), team, environment


def _granted(actor: Actor, ident: int, request: HttpRequest) -> None:
    """Give a role beside those that somebody has, or in their place."""
    given = [_grant(request)]
    if request.POST.get("how") == "add":
        had = queries.person(actor, ident).grants.values_list("role", "team_id", "environment_id")
        given = [*had, *given]
    actions.set_grants(actor, ident, given)


@require_POST
@page
def person(request: HttpRequest, actor: Actor, ident: int, what: str) -> HttpResponse:
    """Give somebody other rights or a new one-time password, end their access, or give it back."""
    verbs: dict[str, tuple[Callable[[], object], str]] = {
        "grant": (
            lambda: _granted(actor, ident, request),
            _("The roles are changed; that counts from the next click."),
        ),
        "password": (
            lambda: actions.set_password(actor, ident, request.POST.get("password", "")),
            _("The new password works once; tell it to nobody else."),
        ),
        "disable": (lambda: actions.disable_user(actor, ident), _("Access is ended, tokens included.")),
        "enable": (
            lambda: actions.enable_user(actor, ident, request.POST.get("password", "")),
            _("They may log in again; the new password works once."),
        ),
    }
    if what not in verbs:
        raise Absent("page", what)
    attempt(request, *verbs[what])
    return redirect("people")


@page
def tokens(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List and make one's own API tokens."""
    fresh = ""
    if request.method == "POST" and "revoke" in request.POST:
        attempt(
            request,
            lambda: actions.revoke_token(actor, whole(request.POST["revoke"], "revoke")),
            _("The token is revoked."),
        )
        return redirect("tokens")
    if request.method == "POST":
        fresh = _token(request, actor)
    context = {
        "tokens": queries.tokens(actor),
        "fresh": fresh,
        "now": current_clock().now(),
        "may_create": actor.may(Permission.TOKEN_CREATE),
    }
    return show(request, actor, "tokens", context, 422 if request.method == "POST" and not fresh else 200)


def _token(request: HttpRequest, actor: Actor) -> str:
    """Make a token and return it, or say why not and return nothing."""
    made: list[str] = []
    attempt(
        request,
        lambda: made.append(
            actions.create_token(actor, request.POST.get("name", ""), whole(request.POST.get("days", ""), "days"))[1]
        ),
        _("The token is made."),
    )
    return made[0] if made else ""
