"""People, teams, environments and API tokens over REST."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Router, Status

from chancery.apps.accounts import actions, queries
from chancery.apps.accounts.models import Environment, Team
from chancery.core.errors import Invalid
from chancery.doors.api import show
from chancery.doors.api.body import actor, integer, mapping, text

router = Router(tags=["people"])
_NAME = 200


def _grants(items: object) -> list[actions.RoleGrant]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Invalid.one("grants", "This must be a list of objects.", "Send {role, team, environment}.", "type")
    return [
        (text(i, "role"), _known(i, "team", Team.objects.all()), _known(i, "environment", Environment.objects.all()))
        for i in items
    ]


def _known(item: dict[str, Any], name: str, rows: QuerySet[Any]) -> int | None:
    ident = integer(item, name)
    if ident is not None and ident not in set(rows.values_list("pk", flat=True)):
        raise Invalid.one(f"grants.{name}", f"There is no {name} with this id.", "List them, and send an id or null.")
    return ident


@router.get("/users")
def users(request: HttpRequest) -> dict[str, Any]:
    """List people."""
    return {"items": [show.user(u) for u in queries.users(actor(request)).prefetch_related("grants")]}


@router.post("/users", response={201: dict[str, Any]})
def create_user(request: HttpRequest) -> Status[dict[str, Any]]:
    """Add a person; `grants` is a list of {role, team, environment} with ids or null."""
    values = mapping(request)
    if len(text(values, "full_name")) > _NAME:
        raise Invalid.one("full_name", f"It has more than {_NAME} characters.", "Shorten it.")
    grants = _grants(values.get("grants") or [])
    user = actions.create_user(
        actor(request),
        text(values, "username"),
        text(values, "password"),
        full_name=text(values, "full_name"),
        grants=grants,
        must_change_password=True,
    )
    return Status(201, show.user(user))


@router.get("/teams")
def teams(request: HttpRequest) -> dict[str, Any]:
    """List teams."""
    actor(request)
    return {"items": [{"id": t.pk, "name": t.name} for t in Team.objects.order_by("name")]}


@router.post("/teams", response={201: dict[str, Any]})
def create_team(request: HttpRequest) -> Status[dict[str, Any]]:
    """Add a team."""
    team = actions.create_team(actor(request), text(mapping(request), "name"))
    return Status(201, {"id": team.pk, "name": team.name})


@router.get("/environments")
def environments(request: HttpRequest) -> dict[str, Any]:
    """List environments."""
    actor(request)
    return {
        "items": [
            {"id": e.pk, "name": e.name, "is_production": e.is_production} for e in Environment.objects.order_by("name")
        ]
    }


@router.post("/environments", response={201: dict[str, Any]})
def create_environment(request: HttpRequest) -> Status[dict[str, Any]]:
    """Add an environment."""
    values = mapping(request)
    made = actions.create_environment(
        actor(request), text(values, "name"), is_production=bool(values.get("is_production"))
    )
    return Status(201, {"id": made.pk, "name": made.name})


@router.get("/tokens")
def tokens(request: HttpRequest) -> dict[str, Any]:
    """List one's own API tokens."""
    return {"items": [show.token(t) for t in queries.tokens(actor(request))]}


@router.post("/tokens", response={201: dict[str, Any]})
def create_token(request: HttpRequest) -> Status[dict[str, Any]]:
    """Make an API token; its text is in this answer and nowhere else."""
    values = mapping(request)
    token, secret = actions.create_token(actor(request), text(values, "name"), integer(values, "days", 90))
    return Status(201, {**show.token(token), "token": secret})


@router.delete("/tokens/{ident}", response={204: None})
def revoke_token(request: HttpRequest, ident: int) -> Status[None]:
    """End one of one's own API tokens."""
    actions.revoke_token(actor(request), ident)
    return Status(204, None)
