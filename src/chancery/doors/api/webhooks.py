"""Webhooks over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.webhooks import actions, queries
from chancery.apps.webhooks.models import Webhook
from chancery.core.errors import Conflict
from chancery.core.secret import Secret
from chancery.doors.api import bodies, measured, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.revisions import expected, in_time, matching, tag
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["webhooks"])
Answer = dict[str, Any]


@router.get("/webhooks", response=measured.Webhooks, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    search: parameters.Search = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List webhooks by name."""
    found = queries.listing(actor(request), search=search, cursor=cursor, size=size)
    return linked(request, response, show.page(found, webhook))


@router.post("/webhooks", response={201: measured.WebhookSecret}, headers=("Location", "ETag"))
def create(request: HttpRequest, response: HttpResponse, body: bodies.WebhookIn) -> Status[Answer]:
    """Add a webhook. The secret that its messages are signed with is in this answer alone."""
    row, secret = actions.create(actor(request), body.given())
    created(response, "webhooks", row.pk)
    tag(response, row.revision)
    return Status(201, _with(row, secret))


@router.get("/webhooks/{ident}", response=measured.Webhook, headers=("ETag",))
def one(request: HttpRequest, response: HttpResponse, ident: parameters.ChannelIdent) -> Answer:
    """Show a webhook, without its secret."""
    row = queries.get(actor(request), ident)
    tag(response, row.revision)
    return webhook(row)


@router.put(
    "/webhooks/{ident}", response=measured.Webhook, headers=("ETag",), takes=("If-Match",), problems=(409, 412, 428)
)
def edit(
    request: HttpRequest, response: HttpResponse, ident: parameters.ChannelIdent, body: bodies.WebhookEdit
) -> Answer:
    """Replace a webhook's values. `If-Match` or `revision` is required."""
    values, who = body.given(), actor(request)
    revision = expected(request, values.pop("revision", None), queries.get(who, ident).revision)
    try:
        row = actions.edit(who, ident, revision, values)
    except Conflict as lost:
        raise in_time(request, lost) from None
    tag(response, row.revision)
    return webhook(row)


@router.delete("/webhooks/{ident}", response={204: None}, takes=("If-Match",), problems=(412,))
def delete(request: HttpRequest, ident: parameters.ChannelIdent) -> Status[None]:
    """Remove a webhook and its secret."""
    who = actor(request)
    matching(request, queries.get(who, ident).revision)
    actions.delete(who, ident)
    return Status(204, None)


@router.post("/webhooks/{ident}/rotate", response=measured.WebhookSecret, problems=(404, 409))
def rotate(request: HttpRequest, ident: parameters.ChannelIdent) -> Answer:
    """Make a new secret; for a day messages are signed by both."""
    return _with(*actions.rotate(actor(request), ident))


@router.post("/webhooks/{ident}/test", response={202: measured.Webhook}, problems=(404, 409))
def test(request: HttpRequest, ident: parameters.ChannelIdent) -> Status[Answer]:
    """Have a worker send a test; `tested_at` or `last_error` says how it went."""
    return Status(202, webhook(actions.test(actor(request), ident)))


def webhook(row: Webhook) -> Answer:
    """Return a webhook, without its secret."""
    names = ("name", "url", "events", "allowed_networks", "is_active", "revision")
    more = ("last_sent_at", "test_asked_at", "tested_at", "failures", "last_error")
    environment = row.environment.name if row.environment is not None else ""
    shown = {n: getattr(row, n) for n in (*names, *more)}
    ident = {"id": str(row.pk), "team": row.team.name, "environment": environment}
    return {**ident, "former_secret_until": row.former_until, **shown}


def _with(row: Webhook, secret: Secret) -> Answer:
    return {**webhook(row), "secret": secret.reveal()}
