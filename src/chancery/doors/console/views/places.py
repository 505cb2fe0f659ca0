"""Teams and environments: what things belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from chancery.apps.accounts import places as actions
from chancery.apps.accounts import queries
from chancery.apps.accounts.models import Environment
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent
from chancery.doors.console.views.base import attempt, page, show, whole

Verb = tuple[Callable[[], object], str]


@page
def places(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List teams and environments; add, change or remove one."""
    queries.users(actor)  # who may not see people does not see this page either
    if request.method == "POST":
        name, production = request.POST.get("name", ""), request.POST.get("production") == "on"
        verbs = _verbs(actor, request, name, production=production)
        what = request.POST.get("do", "")
        if what not in verbs:
            raise Absent("action", what)
        attempt(request, *verbs[what])
        return redirect("places")
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("search", "cursor")}
    found, environments = queries.teams(**asked), Environment.objects.order_by("name")
    context = {"page": found, "asked": asked, "environments": environments}
    return show(request, actor, "places", context)


def _verbs(actor: Actor, request: HttpRequest, name: str, *, production: bool) -> dict[str, Verb]:
    def ident() -> int:
        return whole(request.POST.get("id", ""), "id")

    return {
        "add-team": (lambda: actions.create_team(actor, name), _("The team is added.")),
        "rename-team": (lambda: actions.rename_team(actor, ident(), name), _("The team is renamed.")),
        "delete-team": (lambda: actions.delete_team(actor, ident()), _("The team is deleted.")),
        "add-environment": (
            lambda: actions.create_environment(actor, name, is_production=production),
            _("The environment is added."),
        ),
        "edit-environment": (
            lambda: actions.edit_environment(actor, ident(), name, is_production=production),
            _("The environment is changed."),
        ),
        "delete-environment": (
            lambda: actions.delete_environment(actor, ident()),
            _("The environment is deleted."),
        ),
    }
