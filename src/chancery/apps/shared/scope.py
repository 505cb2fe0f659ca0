"""Turns what an actor may see into a filter. The only read path for things with a team."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.actor import Actor
from chancery.core.errors import NotPermitted

M = TypeVar("M", bound=Model)


def visible(rows: QuerySet[M], actor: Actor, permission: Permission) -> QuerySet[M]:
    """Return the rows of the teams and environments in which the actor has `permission`."""
    scopes = actor.scopes(permission)
    if scopes is None:
        return rows
    if not scopes:
        raise NotPermitted(permission)
    wanted = Q()
    for grant in scopes:
        part = Q()
        if grant.team is not None:
            part &= Q(team_id=grant.team)
        if grant.environment is not None:
            part &= Q(environment_id=grant.environment)
        wanted |= part
    return rows.filter(wanted)
