"""Passwords, tokens, people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts import actions, ending, entering, factors, queries
from chancery.apps.accounts.models import Environment, User
from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent
from chancery.doors.console import picking
from chancery.doors.console.views.base import attempt, page, show, whole
from chancery.doors.console.views.login import PAUSED

_FEW = 20


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
    address = request.META.get("REMOTE_ADDR", "")
    # Whoever has only come by a session guesses here no faster than at the door.
    left = entering.attempt(user.username, address)
    if not left:
        return _(PAUSED)
    if not user.check_password(request.POST.get("present", "")):
        entering.turn_away(user.username, address, paused=left == 1)
        return _("The present password is wrong.")
    entering.succeeded(user, address)
    if fresh != request.POST.get("again", ""):
        return _("The two new passwords differ.")
    try:
        validate_password(fresh, user)
    except ValidationError as error:
        return " ".join(error.messages)
    actor = queries.actor_of(user, how="session", address=address)
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
        "roles": sorted(role.name for role in queries.roles()),
        # Every row has a form of its own: a list of teams in each would be a page of nothing else.
        "teams": picking.pick("teams", actor, request.POST.get("team", ""), few=_FEW),
        "environments": Environment.objects.order_by("name"),
        "posted": request.POST,
    }
    return show(request, actor, "people", context, 422 if request.method == "POST" else 200)


def _grant(request: HttpRequest) -> tuple[str, int | None, int | None]:
    """Return the role that the form names, for one team and environment or for all."""
    return request.POST.get("role", ""), _picked(request.POST, "team"), _picked(request.POST, "environment")


def _picked(sent: QueryDict, field: str) -> int | None:
    """Return the id of the team or environment that a form names, by id or name."""
    find = queries.team if field == "team" else queries.environment
    return find(sent[field]).pk if sent.get(field) else None


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
    verbs |= _endings(actor, ident, request)
    if what not in verbs:
        raise Absent("page", what)
    attempt(request, *verbs[what])
    return redirect("access", ident) if request.POST.get("back") == "access" else redirect("people")


def _endings(actor: Actor, ident: int, request: HttpRequest) -> dict[str, tuple[Callable[[], object], str]]:
    """Return what is done about somebody's way in."""
    token = request.POST.get("token", "")
    return {
        "unlock": (lambda: actions.unlock(actor, ident), _("The wrong tries are forgotten.")),
        "factors": (lambda: factors.remove_all(actor, ident), _("Their second factors are removed.")),
        "sessions": (lambda: ending.end_all(actor, ident), _("Their sessions are ended.")),
        "token": (lambda: actions.end_token(actor, whole(token, "token")), _("The token is ended.")),
    }


@page
def access(request: HttpRequest, actor: Actor, ident: int) -> HttpResponse:
    """Show how somebody gets in: their sessions, tokens and factors, and end any."""
    found = queries.person(actor, ident)
    context = {
        "person": found,
        "sessions": queries.sessions(actor, ident),
        "page": queries.tokens_of(actor, ident, cursor=request.GET.get("cursor", "")),
        "factors": factors.of(found),
        "now": current_clock().now(),
        "choices": (
            ("sessions", _("End every session"), _("End every session of this person?")),
            ("factors", _("Remove the second factors"), _("Remove them? The password alone then lets this person in.")),
            ("unlock", _("End the pause"), _("Forget the wrong tries at this login name?")),
        ),
    }
    return show(request, actor, "access", context)


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
        "page": queries.tokens(actor, cursor=request.GET.get("cursor", "")),
        "fresh": fresh,
        "now": current_clock().now(),
        "may_create": actor.may(Permission.TOKEN_CREATE),
        "permissions": sorted(str(p) for p in Permission if actor.may(p)),
        "teams": picking.pick("teams", actor, ""),
        "environments": Environment.objects.order_by("name"),
    }
    return show(request, actor, "tokens", context, 422 if request.method == "POST" and not fresh else 200)


def _token(request: HttpRequest, actor: Actor) -> str:
    """Make a token and return it, or say why not and return nothing."""
    made: list[str] = []
    sent = request.POST
    attempt(
        request,
        lambda: made.append(
            actions.create_token(
                actor,
                sent.get("name", ""),
                whole(sent.get("days", ""), "days"),
                permissions=sent.getlist("permissions") or None,
                team=_picked(sent, "team"),
                environment=_picked(sent, "environment"),
                networks=sent.get("networks", "").replace(",", " ").split(),
            )[1]
        ),
        _("The token is made."),
    )
    return made[0] if made else ""
