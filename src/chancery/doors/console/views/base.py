"""What every page shares: who is asking, refusals as pages, and where things are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone

from chancery.apps.accounts import sessions, zones
from chancery.apps.accounts.models import User
from chancery.apps.accounts.permissions import Permission
from chancery.apps.accounts.queries import actor_of
from chancery.apps.changes.holding import Proposed
from chancery.apps.shared.action import Scoped
from chancery.apps.shared.actor import Actor
from chancery.core.errors import ChanceryError, Invalid, NotPermitted
from chancery.doors.console.navigation import entries
from chancery.doors.problems import status

View = Callable[..., HttpResponse]
_WEAK = frozenset({"factors", "factor_challenge"})
"""What is open to somebody whose role asks for a second factor before they have shown one."""


def page(view: View) -> View:
    """Make a function of (request, actor, …) a page for people who are logged in."""

    @functools.wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or not user.is_active:
            return HttpResponseRedirect(f"/login?{urlencode({'next': request.get_full_path()})}")
        if user.must_change_password:
            return redirect("password")
        strong = sessions.is_strong(request)
        actor = actor_of(user, how="session", address=request.META.get("REMOTE_ADDR", ""), strong=strong)
        if actor.needs_factor and not strong and _here(request) not in _WEAK:
            return redirect("factors")
        # Nothing but what is shown depends on the zone: all that is stored or sent stays UTC.
        with timezone.override(zones.zone(user.time_zone)):
            try:
                _readable(request)
                return view(request, actor, *args, **kwargs)
            except Proposed as waits:
                messages.info(request, str(waits))
                return redirect("change", waits.change)
            except ChanceryError as error:
                return refusal(request, error, actor)

    return run


def _here(request: HttpRequest) -> str:
    return str(request.resolver_match.url_name) if request.resolver_match else ""


def _readable(request: HttpRequest) -> None:
    """Refuse characters that no table can hold, by the field that they are in."""
    for name, values in (*request.GET.lists(), *request.POST.lists()):
        if any("\x00" in value for value in (name, *values)):
            raise Invalid.one(
                name.replace("\x00", ""), "It holds a character that cannot be stored (NUL).", "Type it anew."
            )


def require(actor: Actor, permission: Permission, thing: Scoped | None = None) -> None:
    """Refuse a form to who may not send it. What is sent is judged by the action all the same."""
    if not actor.may(permission, *((thing.team_id, thing.environment_id) if thing else ())):
        raise NotPermitted(permission)


def whole(text: str, field: str) -> int:
    """Return a whole number from a form; raises `Invalid` by field."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid.one(field, f"{text[:20]!r} is no whole number.", "Write digits only.")
    return int(text)


def show(
    request: HttpRequest, actor: Actor | None, template: str, context: dict[str, Any] | None = None, code: int = 200
) -> HttpResponse:
    """Render a page; `may` tells templates what somebody may do at all, the tag `allowed` what with one thing."""
    may = {p.name: actor.may(p) for p in Permission} if actor else {}
    return render(
        request,
        f"console/{template}.html",
        {"actor": actor, "may": may, "places": entries(actor, request.path) if actor else [], **(context or {})},
        status=code,
    )


def refusal(request: HttpRequest, error: ChanceryError, actor: Actor | None) -> HttpResponse:
    """Show why something was refused and what to do."""
    code, title = status(error)
    context = {
        "error": error,
        "title": title,
        "problems": getattr(error, "problems", []),
        "blockers": getattr(error, "blockers", []),
    }
    return show(request, actor, "refused", context, code)


def attempt(request: HttpRequest, act: Callable[[], Any], done: str) -> bool:
    """Do something, and say how it went on the next page."""
    try:
        act()
    except Proposed as waits:
        messages.info(request, f"{waits} {waits.remedy}")
        return True
    except ChanceryError as error:
        messages.error(request, f"{error} {error.remedy}".strip())
        return False
    messages.success(request, done)
    return True
