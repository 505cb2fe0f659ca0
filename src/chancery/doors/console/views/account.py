"""What somebody sees and changes about themselves."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from chancery.apps.accounts import actions, factors, queries, sessions, zones
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Invalid, Problem
from chancery.doors.console.views.base import page, show


@page
def account(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show one's own name, time zone and roles; change the first two."""
    user = queries.own(actor)
    values = {"full_name": user.full_name, "time_zone": user.time_zone}
    problems: dict[str, Problem] = {}
    if request.method == "POST":
        values = {name: request.POST.get(name, "") for name in values}
        try:
            actions.change_own_account(actor, full_name=values["full_name"], time_zone=values["time_zone"])
        except Invalid as refusal:
            problems = {p.field: p for p in refusal.problems}
        else:
            messages.success(request, _("Your account is changed."))
            return redirect("account")
    context = {**values, "problems": problems, "zones": zones.names(), "grants": queries.grants(actor)}
    context |= {"sessions": queries.sessions(actor), "present": sessions.ident_of(request), "factors": factors.of(user)}
    return show(request, actor, "account", context, 422 if problems else 200)
