"""Profiles over REST."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.profiles import actions, queries
from chancery.apps.profiles.models import Profile
from chancery.core.errors import Conflict
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.revisions import expected, in_time, matching, tag
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["profiles"])
Answer = dict[str, Any]


@router.get("/profiles", response=answers.Profiles, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    search: parameters.Search = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List profiles by name."""
    found = queries.listing(actor(request), search=search, cursor=cursor, size=size)
    return linked(request, response, show.page(found, partial(show.profile, routes=queries.routes(found.items))))


@router.post("/profiles", response={201: answers.Profile}, headers=("Location", "ETag"))
def create(request: HttpRequest, response: HttpResponse, body: bodies.ProfileIn) -> Status[Answer]:
    """Create a profile."""
    row = actions.create(actor(request), body.given())
    created(response, "profiles", row.pk)
    tag(response, row.revision)
    return Status(201, _shown(row))


@router.get("/profiles/{ident}", response=answers.Profile, headers=("ETag",))
def one(request: HttpRequest, response: HttpResponse, ident: parameters.ProfileIdent) -> Answer:
    """Show a profile."""
    row = queries.get(actor(request), ident)
    tag(response, row.revision)
    return _shown(row)


@router.put(
    "/profiles/{ident}",
    response=answers.Profile,
    headers=("ETag",),
    takes=("If-Match",),
    problems=(409, 412, 428),
)
def edit(
    request: HttpRequest, response: HttpResponse, ident: parameters.ProfileIdent, body: bodies.ProfileEdit
) -> Answer:
    """Replace a profile's values; `If-Match` or `revision` is required.

    A connector of another environment than the profile's must be confirmed by the environment's name.
    """
    values, who = body.given(), actor(request)
    revision = expected(request, values.pop("revision", None), queries.get(who, ident).revision)
    try:
        edited = actions.edit(who, ident, revision, values)
    except Conflict as lost:
        raise in_time(request, lost) from None
    tag(response, edited.revision)
    return _shown(edited)


@router.delete("/profiles/{ident}", response={204: None}, takes=("If-Match",), problems=(409, 412))
def delete(request: HttpRequest, ident: parameters.ProfileIdent) -> Status[None]:
    """Delete a profile that no open order uses."""
    who = actor(request)
    matching(request, queries.get(who, ident).revision)
    actions.delete(who, ident)
    return Status(204, None)


def _shown(row: Profile) -> Answer:
    return show.profile(row, queries.routes([row]))
