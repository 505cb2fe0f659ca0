"""Profiles over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from chancery.apps.profiles import actions, queries
from chancery.core.errors import Invalid
from chancery.doors.api import show
from chancery.doors.api.body import actor, integer, mapping

router = Router(tags=["profiles"])


@router.get("/profiles")
def listing(request: HttpRequest, search: str = "", cursor: str = "", size: int = 50) -> dict[str, Any]:
    """List profiles by name."""
    return show.page(queries.listing(actor(request), search=search, cursor=cursor, size=size), show.profile)


@router.post("/profiles", response={201: dict[str, Any]})
def create(request: HttpRequest) -> Status[dict[str, Any]]:
    """Create a profile."""
    return Status(201, show.profile(actions.create(actor(request), mapping(request))))


@router.get("/profiles/{ident}")
def one(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Show a profile."""
    return show.profile(queries.get(actor(request), ident))


@router.put("/profiles/{ident}")
def edit(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Replace a profile's values; `revision` is required."""
    values = mapping(request)
    revision = integer(values, "revision")
    if revision is None:
        raise Invalid.one("revision", "The revision you edited is missing.", "Read the profile first.")
    values.pop("revision")
    return show.profile(actions.edit(actor(request), ident, revision, values))


@router.delete("/profiles/{ident}", response={204: None})
def delete(request: HttpRequest, ident: str) -> Status[None]:
    """Delete a profile that no open order uses."""
    actions.delete(actor(request), ident)
    return Status(204, None)
