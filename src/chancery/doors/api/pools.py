"""Pools over REST, what hangs on a connector, and moving it elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.connectors.models import Pool
from chancery.apps.pools import actions, impact, queries, repointing
from chancery.core.errors import Conflict
from chancery.doors.api import answers, bodies, parameters, show, show_pools
from chancery.doors.api.reading import actor
from chancery.doors.api.revisions import expected, in_time, matching, tag
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["pools"])
Answer = dict[str, Any]


@router.get("/pools", response=answers.Pools, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    search: parameters.Search = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List pools by name."""
    found = queries.listing(actor(request), search=search, cursor=cursor, size=size)
    members, used = queries.members_of(found.items), queries.used(found.items)
    return linked(request, response, show.page(found, partial(show_pools.pool, members=members, used=used)))


@router.post("/pools", response={201: answers.Pool}, headers=("Location", "ETag"))
def create(request: HttpRequest, response: HttpResponse, body: bodies.PoolIn) -> Status[Answer]:
    """Create a pool."""
    row = actions.create(actor(request), body.given())
    created(response, "pools", row.pk)
    tag(response, row.revision)
    return Status(201, _shown(row))


@router.get("/pools/{ident}", response=answers.Pool, headers=("ETag",))
def one(request: HttpRequest, response: HttpResponse, ident: parameters.PoolIdent) -> Answer:
    """Show a pool."""
    row = queries.get(actor(request), ident)
    tag(response, row.revision)
    return _shown(row)


@router.put("/pools/{ident}", response=answers.Pool, headers=("ETag",), takes=("If-Match",), problems=(409, 412, 428))
def edit(request: HttpRequest, response: HttpResponse, ident: parameters.PoolIdent, body: bodies.PoolEdit) -> Answer:
    """Replace a pool's values and members; `If-Match` or `revision` is required. Members that drain go on draining."""
    who = actor(request)
    revision = expected(request, body.revision, queries.get(who, ident).revision)
    try:
        edited = actions.edit(who, ident, revision, body.given())
    except Conflict as lost:
        raise in_time(request, lost) from None
    tag(response, edited.revision)
    return _shown(edited)


@router.delete("/pools/{ident}", response={204: None}, takes=("If-Match",), problems=(409, 412))
def delete(request: HttpRequest, ident: parameters.PoolIdent) -> Status[None]:
    """Delete a pool that no profile orders through; its connectors stay."""
    who = actor(request)
    matching(request, queries.get(who, ident).revision)
    actions.delete(who, ident)
    return Status(204, None)


@router.post("/pools/{ident}/members/{connector_id}/drain", response=answers.Pool)
def drain(request: HttpRequest, ident: parameters.PoolIdent, connector_id: parameters.Ident) -> Answer:
    """Let a member take no new orders; it finishes those that it has."""
    return _drained(request, ident, connector_id, draining=True)


@router.post("/pools/{ident}/members/{connector_id}/resume", response=answers.Pool)
def resume(request: HttpRequest, ident: parameters.PoolIdent, connector_id: parameters.Ident) -> Answer:
    """Let a member take new orders again."""
    return _drained(request, ident, connector_id, draining=False)


@router.get("/connectors/{ident}/impact", response=answers.Impact)
def what_depends(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Say what depends on a connector, before it is edited, switched off or deleted."""
    return show_pools.impact(impact.of(actor(request), ident))


@router.get("/connectors/{ident}/repoint-preview", response=answers.Repointing, problems=(409, 422))
def repoint_preview(
    request: HttpRequest, ident: parameters.Ident, to: parameters.To, vouch: parameters.Vouch = ""
) -> Answer:
    """Say what moving a connector's profiles and waiting orders elsewhere would do, and what would stay and why."""
    return show_pools.repointing(repointing.preview(actor(request), ident, to, vouch))


@router.post("/connectors/{ident}/repoint", response=answers.Repointing, problems=(409,))
def repoint(request: HttpRequest, ident: parameters.Ident, body: bodies.RepointIn) -> Answer:
    """Move a connector's profiles, and the waiting orders that no CA has seen, as a preview showed it."""
    done = actions.repoint(actor(request), ident, body.to, body.previewed, body.vouch)
    return show_pools.repointing(done)


def _drained(request: HttpRequest, ident: str, connector: str, *, draining: bool) -> Answer:
    who = actor(request)
    actions.drain(who, ident, connector, draining=draining)
    return _shown(queries.get(who, ident))


def _shown(row: Pool) -> Answer:
    return show_pools.pool(row, queries.members_of([row]), queries.used([row]))
