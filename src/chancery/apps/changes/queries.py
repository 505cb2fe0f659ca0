"""What waits for approval, and what became of it."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from chancery.apps.accounts.models import Environment
from chancery.apps.accounts.permissions import Permission
from chancery.apps.changes.models import OPEN, Change, Kind, Rule, State, Vote
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import Page, by_id, one_of, paginate
from chancery.apps.shared.scope import visible
from chancery.core.errors import Absent, NotPermitted

SHOWN = ("open", "all", *State.values)


def visible_to(actor: Actor) -> QuerySet[Change]:
    """Return the changes of the teams and environments of which the actor sees changes; of rules, whoever sees any."""
    if not actor.may(Permission.CHANGE_VIEW):
        raise NotPermitted(Permission.CHANGE_VIEW)
    rows = Change.objects.select_related("team", "environment", "connector", "proposed_by")
    mine = visible(Change.objects.all(), actor, Permission.CHANGE_VIEW).values("pk")
    return rows.filter(Q(team=None) | Q(pk__in=mine))


def listing(actor: Actor, *, state: str = "", cursor: str = "", size: int = 50) -> Page[Change]:
    """Return one page of changes, the newest first: those that are open, all, or those in one state."""
    wanted = one_of("state", state, SHOWN) or "open"
    rows = visible_to(actor).prefetch_related(Prefetch("votes", Vote.objects.order_by("pk")))
    if wanted != "all":
        rows = rows.filter(state__in=OPEN if wanted == "open" else [wanted])
    return paginate(rows, order="-id", cursor=cursor, size=size)


def change(actor: Actor, ident: object) -> Change:
    """Return one change, or raise `Absent`."""
    found = by_id(visible_to(actor), ident)
    if found is None:
        raise Absent("change", ident)
    return found


def rules(actor: Actor) -> list[dict[str, Any]]:
    """Return for each environment how many people have to approve each kind of change."""
    if not actor.may(Permission.CHANGE_VIEW):
        raise NotPermitted(Permission.CHANGE_VIEW)
    known = {(r.environment_id, r.kind): r.needed for r in Rule.objects.all()}
    kinds = [kind for kind in Kind if kind != Kind.RULE]
    return [
        {"environment": e.pk, "name": e.name, "needed": {str(kind): known.get((e.pk, kind), 0) for kind in kinds}}
        for e in Environment.objects.order_by("name")
    ]
