"""What waits for approval, and what became of it."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from chancery.apps.accounts.models import Environment
from chancery.apps.accounts.permissions import Permission
from chancery.apps.changes.models import OPEN, Change, Kind, Rule, State, Vote
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import Filter, Page, any_of, by_id, one_of, paginate
from chancery.apps.shared.scope import scope
from chancery.core.errors import Absent, NotPermitted

_MOST = 100
SHOWN = ("open", "all", *State.values)


def visible_to(actor: Actor) -> QuerySet[Change]:
    """Return the changes of the teams and environments of which the actor sees changes; of rules, whoever sees any."""
    seen = _seen(actor)
    return _known() if seen is None else _known().filter(seen)


def _known() -> QuerySet[Change]:
    return Change.objects.select_related("team", "environment", "connector", "proposed_by")


def _seen(actor: Actor) -> Q | None:
    """Return what the changes meet that the actor may see; None for every change."""
    within = scope(actor, Permission.CHANGE_VIEW)
    return None if within is None else any_of([Q(team_id__isnull=True), *within])


def listing(actor: Actor, *, state: str = "", cursor: str = "", size: int = 50) -> Page[Change]:
    """Return one page of changes, the newest first: those that are open, all, or those in one state."""
    wanted = one_of("state", state, SHOWN) or "open"
    rows, seen = _known().prefetch_related(Prefetch("votes", Vote.objects.order_by("pk"))), _seen(actor)
    # Each state is a range of an index: those that are open are read side by side.
    parts = None if wanted == "all" else [Q(state=one) for one in (OPEN if wanted == "open" else (wanted,))]
    filters = [] if seen is None else [Filter(seen, served=False)]
    return paginate(rows, order="-id", cursor=cursor, size=size, filters=filters, scope=parts)


def waiting(actor: Actor) -> int:
    """Return how many of the changes that the actor sees wait for somebody's approval; no more than a hundred are counted."""
    if not actor.may(Permission.CHANGE_VIEW):
        return 0
    return visible_to(actor).filter(state=State.WAITING)[:_MOST].count()


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
