"""The page of a connector's credential: its age, its end, and its rotation step by step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import credentials, queries, rotating, trial
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import one_of
from chancery.core.errors import ChanceryError, Invalid
from chancery.doors.console import forms
from chancery.doors.console.views.base import page, require, show, whole
from chancery.sdk.config import secret_names

_Do = Callable[[HttpRequest, Actor, str], str]


@page
def credential(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show how the credential stands, and what can be done next."""
    return _shown(request, actor, ident, [])


def _shown(request: HttpRequest, actor: Actor, ident: str, problems: list[Any]) -> HttpResponse:
    row, now = queries.get(actor, ident), current_clock().now()
    require(actor, Permission.CONNECTOR_ROTATE, row)
    found, descriptor = credentials.credential(row), catalog.get(row.authority)
    secret = secret_names(descriptor.config)
    inputs = [i for _, i in forms.model_inputs(descriptor.config, {}) if i.name in secret]
    for one in inputs:
        one.problems = [p for p in problems if p.field == one.name]
        one.required = False
    call = found.change.call if found.change else None
    context = {
        "connector": row,
        "found": found,
        "change": found.change,
        "age": (now - found.since).days,
        "left": found.days_left(now),
        "inputs": inputs,
        "problems": [p for p in problems if p.field not in secret],
        "call": call,
        "passed": call is not None and trial.passed(call),
        "running": call is not None and call.state in {"due", "running"},
        "grace": rotating.GRACE,
    }
    return show(request, actor, "credential", context, 422 if problems else 200)


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Take one step of a rotation."""
    one_of("what", what, tuple(_STEPS))
    try:
        messages.success(request, _STEPS[what](request, actor, ident))
    except Invalid as error:
        return _shown(request, actor, ident, error.problems)
    except ChanceryError as error:
        messages.error(request, f"{error} {error.remedy}".strip())
    return redirect("credential", ident)


def _stage(request: HttpRequest, actor: Actor, ident: str) -> str:
    row = queries.get(actor, ident)
    names = secret_names(catalog.get(row.authority).config)
    given = {name: request.POST[name] for name in names if request.POST.get(name)}
    rotating.stage(actor, ident, given, _day(request))
    return gettext("It is staged. Test it, then switch.")


def _test(request: HttpRequest, actor: Actor, ident: str) -> str:
    rotating.test_staged(actor, ident)
    return gettext("A worker tests it; load this page again in a moment.")


def _switch(request: HttpRequest, actor: Actor, ident: str) -> str:
    days = whole(request.POST.get("grace_days", ""), "grace_days")
    rotating.switch(actor, ident, days, request.POST.get("untested", ""))
    return gettext("The new credential is in force.")


def _back(request: HttpRequest, actor: Actor, ident: str) -> str:
    rotating.switch_back(actor, ident)
    return gettext("The credential of before is in force again.")


def _revoked(request: HttpRequest, actor: Actor, ident: str) -> str:
    rotating.revoked(actor, ident)
    return gettext("The rotation is over.")


def _cancel(request: HttpRequest, actor: Actor, ident: str) -> str:
    rotating.cancel(actor, ident)
    return gettext("What was staged is erased.")


def _expiry(request: HttpRequest, actor: Actor, ident: str) -> str:
    rotating.expires(actor, ident, _day(request))
    return gettext("It is noted.")


_STEPS: dict[str, _Do] = {
    "stage": _stage,
    "test": _test,
    "switch": _switch,
    "back": _back,
    "revoked": _revoked,
    "cancel": _cancel,
    "expiry": _expiry,
}


def _day(request: HttpRequest) -> date | None:
    text = request.POST.get("expires_on", "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid.one("expires_on", f"{text[:40]!r} is no day.", "Write it as 2027-01-31.") from None
