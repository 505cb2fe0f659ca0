"""Roles: what each gives, those of one's own, and which ask for a second factor."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts import queries, roles
from chancery.apps.accounts.permissions import EVERYBODYS, Permission
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, NotPermitted
from chancery.doors.console.views.base import attempt, page, show


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show every role, and make one."""
    if not actor.may(Permission.PEOPLE_VIEW):
        raise NotPermitted(Permission.PEOPLE_VIEW)
    if request.method == "POST":
        name, given, text = _sent(request)
        made = attempt(
            request,
            lambda: roles.create(actor, name, given, description=text),
            _("The role is there; give it to people on the page before."),
        )
        if made:
            return redirect("roles")
    context = {
        "roles": queries.roles(),
        "permissions": sorted(str(p) for p in Permission if p not in EVERYBODYS),
        "posted": request.POST,
        "ticked": request.POST.getlist("permissions"),
    }
    return show(request, actor, "roles", context, 422 if request.method == "POST" else 200)


@require_POST
@page
def act(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """Change or remove a role, or say whether it asks for a second factor."""
    _name, given, text = _sent(request)
    verbs: dict[str, tuple[Callable[[], object], str]] = {
        "edit": (
            lambda: roles.edit(actor, name, given, description=text),
            _("The role is changed; that counts from the next click."),
        ),
        "delete": (lambda: roles.delete(actor, name), _("The role is removed.")),
        "factor": (
            lambda: roles.require_factor(actor, name, needed=request.POST.get("needed") == "yes"),
            _("That counts from the next click."),
        ),
    }
    what = request.POST.get("do", "")
    if what not in verbs:
        raise Absent("page", what)
    attempt(request, *verbs[what])
    return redirect("roles")


def _sent(request: HttpRequest) -> tuple[str, list[str], str]:
    return request.POST.get("name", ""), request.POST.getlist("permissions"), request.POST.get("description", "")
