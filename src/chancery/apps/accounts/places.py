"""Changes to teams and environments. What anything belongs to is not removed, so that nothing loses its owner."""

from __future__ import annotations

from typing import Any, TypeVar

from chancery.apps.accounts.models import Environment, Team
from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.texts import clean
from chancery.apps.shared.unique import name_taken
from chancery.core.errors import Absent, Blocker, Conflict

Place = TypeVar("Place", Team, Environment)
_MOST = 60
_SHOWN = 5
"""Things of a kind that a refusal names."""


@action("teams.create", Permission.PEOPLE_MANAGE)
def create_team(act: Act, name: str) -> Team:
    """Add a team."""
    team = Team(name=_name(name, "team"))
    _save(team)
    act.note("team", team.pk, team.name)
    return team


@action("teams.rename", Permission.PEOPLE_MANAGE)
def rename_team(act: Act, ident: int, name: str) -> Team:
    """Give a team another name; all that belongs to it still does."""
    team = _locked(Team, ident)
    changed = ("name",) if team.name != _name(name, "team") else ()
    team.name = _name(name, "team")
    _save(team)
    act.note("team", team.pk, team.name, changed=changed)
    return team


@action("teams.delete", Permission.PEOPLE_MANAGE)
def delete_team(act: Act, ident: int) -> None:
    """Remove a team that nothing belongs to and nobody has a role in."""
    team = _locked(Team, ident)
    _refuse_in_use(team)
    act.note("team", team.pk, team.name)
    team.delete()


@action("environments.create", Permission.PEOPLE_MANAGE)
def create_environment(act: Act, name: str, *, is_production: bool = False) -> Environment:
    """Add an environment."""
    environment = Environment(name=_name(name, "environment"), is_production=is_production)
    _save(environment)
    act.note("environment", environment.pk, environment.name)
    return environment


@action("environments.edit", Permission.PEOPLE_MANAGE)
def edit_environment(
    act: Act, ident: int, name: str | None = None, *, is_production: bool | None = None
) -> Environment:
    """Give an environment another name, or say whether it is production; None leaves either as it is."""
    environment = _locked(Environment, ident)
    before = (environment.name, environment.is_production)
    environment.name = before[0] if name is None else _name(name, "environment")
    environment.is_production = before[1] if is_production is None else is_production
    _save(environment)
    after = (environment.name, environment.is_production)
    changed = tuple(f for f, a, b in zip(("name", "is_production"), before, after, strict=True) if a != b)
    act.note("environment", environment.pk, environment.name, changed=changed)
    return environment


@action("environments.delete", Permission.PEOPLE_MANAGE)
def delete_environment(act: Act, ident: int) -> None:
    """Remove an environment that nothing belongs to and nobody has a role in."""
    environment = _locked(Environment, ident)
    _refuse_in_use(environment)
    act.note("environment", environment.pk, environment.name)
    environment.delete()


def blockers(place: Team | Environment) -> list[Blocker]:
    """Return what belongs to a team or environment, a few things of each kind, whichever tables there are."""
    found: list[Blocker] = []
    for relation in place._meta.related_objects:
        model: Any = relation.related_model
        kind = str(model._meta.verbose_name)
        rows = list(model._default_manager.filter(**{relation.field.name: place}).order_by("pk")[: _SHOWN + 1])
        found += [Blocker(kind, str(row), str(row.pk), "belongs to it") for row in rows[:_SHOWN]]
        found += [Blocker(kind, "more", "", "belong to it")] if len(rows) > _SHOWN else []
    return found


def _name(text: str, kind: str) -> str:
    return clean("name", text, _MOST, wanted=f"Name the {kind}.")


def _save(place: Team | Environment) -> None:
    with name_taken(f"There is already {_a(place)} {place.name!r}."):
        place.save()


def _a(place: Team | Environment) -> str:
    return "a team" if isinstance(place, Team) else "an environment"


def _locked(model: type[Place], ident: int) -> Place:
    found = model._default_manager.select_for_update().filter(pk=ident).first()
    if found is None:
        raise Absent(str(model._meta.model_name), ident)
    return found


def _refuse_in_use(place: Team | Environment) -> None:
    found = blockers(place)
    if found:
        raise Conflict(
            f"{place.name} is in use: {', '.join(sorted({b.kind for b in found}))}.",
            remedy="Move what belongs to it elsewhere. What orders or certificates belong to stays for good.",
            blockers=found,
            code="in_use",
        )
