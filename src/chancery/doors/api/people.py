"""People, teams and environments over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.accounts import actions, places, queries
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.accounts.permissions import Permission
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["people"])
Answer = dict[str, Any]


@router.get("/me", response=answers.Me)
def me(request: HttpRequest) -> Answer:
    """Say who is asking, and what they may do at least somewhere."""
    who = actor(request)
    grants = [{"role": g.role, "team": g.team, "environment": g.environment} for g in who.grants]
    may = [str(p) for p in Permission if who.may(p)]
    shown = {"name": who.name, "id": who.user, "how": who.how, "address": who.address}
    return {**shown, "grants": grants, "permissions": may}


@router.get("/users", response=answers.Users, headers=("Link",))
def users(
    request: HttpRequest,
    response: HttpResponse,
    search: parameters.Search = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List people by login name."""
    found = queries.people(actor(request), search=search, cursor=cursor, size=size)
    return linked(request, response, show.page(found, show.user))


@router.post("/users", response={201: answers.User}, headers=("Location",))
def create_user(request: HttpRequest, response: HttpResponse, body: bodies.UserIn) -> Status[Answer]:
    """Add a person with a one-time password and some roles."""
    user = actions.create_user(
        actor(request),
        body.username,
        body.password,
        full_name=body.full_name,
        grants=_grants(body.grants),
        must_change_password=True,
    )
    created(response, "users", user.pk)
    return Status(201, show.user(user))


@router.get("/users/{ident}", response=answers.User)
def user(request: HttpRequest, ident: parameters.Number) -> Answer:
    """Show a person."""
    return show.user(queries.person(actor(request), ident))


@router.put("/users/{ident}/grants", response=answers.User, problems=(409,))
def set_grants(request: HttpRequest, ident: parameters.Number, body: bodies.GrantsIn) -> Answer:
    """Replace a person's roles; the last administrator of everything keeps that one."""
    return show.user(actions.set_grants(actor(request), ident, _grants(body.grants)))


@router.post("/users/{ident}/password", response=answers.User, problems=(409,))
def set_password(request: HttpRequest, ident: parameters.Number, body: bodies.PasswordIn) -> Answer:
    """Give a person a new one-time password."""
    return show.user(actions.set_password(actor(request), ident, body.password))


@router.post("/users/{ident}/disable", response=answers.User, problems=(409,))
def disable(request: HttpRequest, ident: parameters.Number) -> Answer:
    """Keep a person out, at once and with all their tokens; their entries in the record stay."""
    return show.user(actions.disable_user(actor(request), ident))


@router.post("/users/{ident}/enable", response=answers.User, problems=(409,))
def enable(request: HttpRequest, ident: parameters.Number, body: bodies.PasswordIn) -> Answer:
    """Let a person in again, with the roles they had and a new one-time password; their old tokens stay dead."""
    return show.user(actions.enable_user(actor(request), ident, body.password))


def _grants(given: list[bodies.GrantIn]) -> list[actions.RoleGrant]:
    return [(g.role, g.team, g.environment) for g in given]


@router.get("/teams", response=answers.Teams)
def teams(request: HttpRequest) -> Answer:
    """List teams."""
    return {"items": [{"id": t.pk, "name": t.name} for t in Team.objects.order_by("name")]}


@router.post("/teams", response={201: answers.Team})
def create_team(request: HttpRequest, body: bodies.NameIn) -> Status[Answer]:
    """Add a team."""
    team = actions.create_team(actor(request), body.name)
    return Status(201, {"id": team.pk, "name": team.name})


@router.patch("/teams/{ident}", response=answers.Team)
def rename_team(request: HttpRequest, ident: parameters.Number, body: bodies.NameIn) -> Answer:
    """Give a team another name; all that belongs to it still does."""
    team = places.rename_team(actor(request), ident, body.name)
    return {"id": team.pk, "name": team.name}


@router.delete("/teams/{ident}", response={204: None}, problems=(409,))
def delete_team(request: HttpRequest, ident: parameters.Number) -> Status[None]:
    """Remove a team that nothing belongs to and nobody has a role in."""
    places.delete_team(actor(request), ident)
    return Status(204, None)


@router.get("/environments", response=answers.Environments)
def environments(request: HttpRequest) -> Answer:
    """List environments."""
    return {"items": [show.environment(e) for e in Environment.objects.order_by("name")]}


@router.post("/environments", response={201: answers.Environment})
def create_environment(request: HttpRequest, body: bodies.EnvironmentIn) -> Status[Answer]:
    """Add an environment."""
    made = actions.create_environment(actor(request), body.name, is_production=body.is_production)
    return Status(201, show.environment(made))


@router.patch("/environments/{ident}", response=answers.Environment)
def edit_environment(request: HttpRequest, ident: parameters.Number, body: bodies.EnvironmentEdit) -> Answer:
    """Give an environment another name, or say whether it is production."""
    made = places.edit_environment(actor(request), ident, body.name, is_production=body.is_production)
    return show.environment(made)


@router.delete("/environments/{ident}", response={204: None}, problems=(409,))
def delete_environment(request: HttpRequest, ident: parameters.Number) -> Status[None]:
    """Remove an environment that nothing belongs to and nobody has a role in."""
    places.delete_environment(actor(request), ident)
    return Status(204, None)
