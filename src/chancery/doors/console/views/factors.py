"""One's own second factors and sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from allauth.core.context import request_context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts import ending, queries, sessions
from chancery.apps.accounts import factors as known
from chancery.apps.connectors import sealing
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import ChanceryError, Invalid, Problem, Unavailable
from chancery.doors.console.views.base import page, show, whole
from chancery.doors.console.views.login import credential

_FRESH = timedelta(minutes=15)
"""How long after logging in somebody changes how they log in; later they show again who they are."""
_SECRET = "totp"  # noqa: S105  where the session keeps it


@page
def factors(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show, add and remove one's own factors."""
    if not _fresh(request):
        messages.info(request, _("Log in again: it is a while ago, and this changes how you log in."))
        return redirect(f"{reverse('login')}?{urlencode({'next': request.path})}")
    codes: list[str] = []
    problems: list[Problem] = []
    error: ChanceryError | None = None
    if request.method == "POST":
        try:
            codes = _act(request, actor)
        except Invalid as refusal:
            problems = refusal.problems
        except ChanceryError as refusal:
            error = refusal
        else:
            if not codes:
                return redirect("factors")
    return show(request, actor, "factors", _context(request, actor, codes, problems, error), 422 if problems else 200)


def _context(
    request: HttpRequest, actor: Actor, codes: list[str], problems: list[Problem], error: ChanceryError | None
) -> dict[str, Any]:
    user = queries.own(actor)
    found = known.of(user)
    app = next((f for f in found if f.type == known.Kind.TOTP), None)
    secret = "" if app else _pending(request, actor)
    with request_context(request):
        url = get_adapter().build_totp_url(user, secret) if secret else ""
        picture = get_adapter().build_totp_svg(url) if url else ""
    return {
        "factors": found,
        "codes": codes,
        "codes_left": known.codes_left(user),
        "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        "picture": picture.partition("?>")[2] if picture.startswith("<?xml") else picture,
        "problems": problems,
        "error": error,
        "wanted": actor.needs_factor and not sessions.is_strong(request),
        "present": sessions.ident_of(request),
    }


def _act(request: HttpRequest, actor: Actor) -> list[str]:
    """Do what a button of the page says; returns recovery codes that are new."""
    what = request.POST.get("do", "")
    if what == "totp":
        codes = known.add_totp(actor, _pending(request, actor), request.POST.get("code", "").replace(" ", "")[:10])
        request.session.pop(_SECRET, None)
    elif what == "passkey":
        with request_context(request):
            codes = known.add_passkey(actor, request.POST.get("name", ""), credential(request))
    elif what == "codes":
        return known.new_codes(actor)
    else:
        known.remove(actor, whole(request.POST.get("remove", ""), "remove"))
        messages.success(request, _("The factor is removed."))
        return []
    sessions.strengthen(request)
    messages.success(request, _("The factor is added; the next log-in asks for it."))
    return codes


@page
def challenge(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Return what the browser asks a passkey that is to be added."""
    with request_context(request):
        return JsonResponse(known.enrolment(queries.own(actor)))


@require_POST
@page
def end_session(request: HttpRequest, actor: Actor, ident: UUID) -> HttpResponse:
    """End a session: one's own, or as an administrator anybody's."""
    ending.end(actor, ident)
    messages.success(request, _("The session is ended."))
    person = request.POST.get("person", "")
    return redirect("access", whole(person, "person")) if person else redirect("account")


def _fresh(request: HttpRequest) -> bool:
    at = parse_datetime(request.session.get(sessions.ABOUT, {}).get("at", ""))
    return at is not None and current_clock().now() - at <= _FRESH


def _pending(request: HttpRequest, actor: Actor) -> str:
    """Return the secret that this session offers to an app, sealed meanwhile: sessions stand in a table."""
    bound = {"table": "session", "record": str(actor.user), "field": _SECRET}
    try:
        if _SECRET in request.session:
            return sealing.unseal(request.session[_SECRET], **bound).reveal()
    except Unavailable:
        pass  # Sealed under a key that is gone: another is offered.
    secret: str = generate_totp_secret()
    request.session[_SECRET] = sealing.seal(secret, **bound)
    return secret
