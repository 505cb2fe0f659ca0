"""Turns what an actor may see into filters. The only read path for things with a team."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.actor import Actor, Grant
from chancery.apps.shared.paging import any_of
from chancery.core.errors import NotPermitted

M = TypeVar("M", bound=Model)


def visible(rows: QuerySet[M], actor: Actor, permission: Permission) -> QuerySet[M]:
    """Return the rows of the teams and environments in which the actor has `permission`."""
    wanted = scope(actor, permission)
    return rows if wanted is None else rows.filter(any_of(wanted))


def scope(actor: Actor, permission: Permission) -> list[Q] | None:
    """Return conditions of which no row meets two, one for each team: together what the actor may see.

    None stands for everything. A grant for an environment of every team makes it a single condition,
    since no index answers that one.
    """
    grants = actor.scopes(permission)
    if grants is None:
        return None
    if not grants:
        raise NotPermitted(permission)
    teams: dict[int | None, list[Grant]] = {}
    for grant in grants:
        teams.setdefault(grant.team, []).append(grant)
    parts = [_part(team, some) for team, some in teams.items()]
    return [any_of(parts)] if None in teams else parts


def _part(team: int | None, grants: list[Grant]) -> Q:
    wanted = Q() if team is None else Q(team_id=team)
    environments = [g.environment for g in grants]
    return wanted if None in environments else wanted & Q(environment_id__in=environments)
