"""Changes that wait for approval, or for their time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts.permissions import Permission
from chancery.apps.changes import actions, queries
from chancery.apps.changes.models import ENDED, State
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent
from chancery.doors.console.views.base import attempt, page, show, whole


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List changes, the newest first."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("state", "cursor")}
    context = {"page": queries.listing(actor, **asked), "asked": asked, "states": queries.SHOWN}
    return show(request, actor, "changes", context)


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show what a change does, and let others decide about it."""
    found, now = queries.change(actor, ident), current_clock().now()
    mine = found.proposed_by_id is not None and found.proposed_by_id == actor.user
    waits = found.state == State.WAITING and found.expires_at > now
    votes = list(found.votes.order_by("pk"))
    may = actor.may(Permission.CHANGE_APPROVE, found.team_id, found.environment_id)
    context = {
        "change": found,
        "votes": votes,
        "mine": mine,
        "expired": found.state == State.WAITING and not waits,
        "may_decide": waits and not mine and may and actor.user not in {v.user_id for v in votes},
        "may_withdraw": mine and found.state not in ENDED,
        "may_renew": mine and found.state not in {*ENDED, State.SCHEDULED} and not waits,
    }
    return show(request, actor, "change", context)


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Approve, deny, withdraw or renew."""
    verbs: dict[str, tuple[Callable[[], object], str]] = {
        "approve": (lambda: actions.approve(actor, ident), _("You have approved it.")),
        "deny": (lambda: actions.deny(actor, ident, request.POST.get("reason", "")), _("It is denied.")),
        "withdraw": (lambda: actions.withdraw(actor, ident), _("It is withdrawn.")),
        "renew": (lambda: actions.renew(actor, ident), _("It is done.")),
    }
    if what not in verbs:
        raise Absent("page", what)
    attempt(request, *verbs[what])
    return redirect("changes") if what == "renew" else redirect("change", ident)


@page
def rules(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show and set how many people have to approve each kind of change in each environment."""
    if request.method == "POST":
        sent = request.POST
        attempt(
            request,
            lambda: actions.set_rule(
                actor,
                whole(sent.get("environment", ""), "environment"),
                sent.get("kind", ""),
                whole(sent.get("needed", ""), "needed"),
            ),
            _("That counts for what is changed from now on."),
        )
        return redirect("change_rules")
    return show(request, actor, "change_rules", {"rules": queries.rules(actor)})
