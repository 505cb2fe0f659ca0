"""Notices and their channels over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.notices import actions, queries
from chancery.apps.notices.models import Channel, Delivery, Notice
from chancery.core.errors import Conflict
from chancery.doors.api import bodies, measured, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.revisions import expected, in_time, matching, tag
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["notices"])
Answer = dict[str, Any]


@router.get("/notices", response=measured.Notices, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    state: parameters.NoticeState = "open",
    kind: parameters.NoticeKind = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List conditions that people are told of, newest first."""
    found = queries.listing(actor(request), state=state, kind=kind, cursor=cursor, size=size)
    return linked(request, response, show.page(found, notice))


@router.get("/channels", response=measured.Channels, headers=("Link",))
def channels(
    request: HttpRequest,
    response: HttpResponse,
    search: parameters.Search = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List channels by name."""
    found = queries.channel_listing(actor(request), search=search, cursor=cursor, size=size)
    return linked(request, response, show.page(found, channel))


@router.post("/channels", response={201: measured.Channel}, headers=("Location", "ETag"))
def create(request: HttpRequest, response: HttpResponse, body: bodies.ChannelIn) -> Status[Answer]:
    """Add a channel. Its address is an apprise one; it is sealed, and never shown again."""
    row = actions.create(actor(request), body.given())
    created(response, "channels", row.pk)
    tag(response, row.revision)
    return Status(201, channel(row))


@router.get("/channels/{ident}", response=measured.Channel, headers=("ETag",))
def one(request: HttpRequest, response: HttpResponse, ident: parameters.ChannelIdent) -> Answer:
    """Show a channel, without its address."""
    row = queries.channel(actor(request), ident)
    tag(response, row.revision)
    return channel(row)


@router.put(
    "/channels/{ident}", response=measured.Channel, headers=("ETag",), takes=("If-Match",), problems=(409, 412, 428)
)
def edit(
    request: HttpRequest, response: HttpResponse, ident: parameters.ChannelIdent, body: bodies.ChannelEdit
) -> Answer:
    """Replace a channel's values; without `url` the stored address stays. `If-Match` or `revision` is required."""
    values, who = body.given(), actor(request)
    revision = expected(request, values.pop("revision", None), queries.channel(who, ident).revision)
    try:
        row = actions.edit(who, ident, revision, values)
    except Conflict as lost:
        raise in_time(request, lost) from None
    tag(response, row.revision)
    return channel(row)


@router.delete("/channels/{ident}", response={204: None}, takes=("If-Match",), problems=(412,))
def delete(request: HttpRequest, ident: parameters.ChannelIdent) -> Status[None]:
    """Remove a channel and its address."""
    who = actor(request)
    matching(request, queries.channel(who, ident).revision)
    actions.delete(who, ident)
    return Status(204, None)


@router.post("/channels/{ident}/test", response={202: measured.Delivery}, headers=("Location",))
def test(request: HttpRequest, response: HttpResponse, ident: parameters.ChannelIdent) -> Status[Answer]:
    """Have a worker send a test; the delivery says how it went."""
    made = actions.test(actor(request), ident)
    created(response, f"channels/{made.channel_id}/deliveries", made.pk)
    return Status(202, delivery(made))


@router.get("/channels/{ident}/deliveries/{delivery_id}", response=measured.Delivery)
def one_delivery(request: HttpRequest, ident: parameters.ChannelIdent, delivery_id: parameters.Ident) -> Answer:
    """Show how sending something went."""
    return delivery(queries.delivery(actor(request), ident, delivery_id))


def notice(row: Notice) -> Answer:
    """Return a notice."""
    names = ("kind", "title", "text", "link", "opened_at", "told_at", "resolved_at")
    shown = {n: getattr(row, n) for n in names}
    return {"id": str(row.pk), "team": row.team.name, "environment": row.environment.name, **shown}


def channel(row: Channel) -> Answer:
    """Return a channel; of its address only the service."""
    names = ("name", "service", "kinds", "allowed_networks", "is_active", "revision")
    more = ("last_sent_at", "failures", "last_error")
    environment = row.environment.name if row.environment is not None else ""
    shown = {n: getattr(row, n) for n in (*names, *more)}
    return {"id": str(row.pk), "team": row.team.name, "environment": environment, **shown}


def delivery(row: Delivery) -> Answer:
    """Return a delivery."""
    names = ("what", "state", "attempts", "error", "created_at", "finished_at")
    shown = {n: getattr(row, n) for n in names}
    return {"id": str(row.pk), "notice": str(row.notice_id) if row.notice_id else None, **shown}
