"""Bots, their targets and deployments over REST."""

from __future__ import annotations

from functools import partial
from typing import Any

from chancery_bot import kinds
from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.bots import actions, queries, targets
from chancery.apps.shared.action import current_clock
from chancery.core.errors import Conflict
from chancery.doors.api import answers, bodies, parameters, show, show_bots
from chancery.doors.api.reading import actor
from chancery.doors.api.revisions import expected, in_time, matching, tag
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["bots"])
Answer = dict[str, Any]


@router.get("/bots", response=answers.Bots, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    status: parameters.BotStatus = "",
    search: parameters.Search = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List bots by name."""
    found = queries.listing(actor(request), status=status, search=search, cursor=cursor, size=size)
    return linked(request, response, show.page(found, partial(show_bots.bot, now=current_clock().now())))


@router.post("/bots", response={201: answers.NewBot}, headers=("Location",))
def create(request: HttpRequest, response: HttpResponse, body: bodies.BotIn) -> Status[Answer]:
    """Make a bot; its one-time token is in this answer and nowhere else."""
    bot, token = actions.create(actor(request), **dict(body))
    created(response, "bots", bot.pk)
    return Status(201, {**_bot(request, bot.pk), "token": token})


@router.get("/bots/{ident}", response=answers.WholeBot)
def one(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show a bot, with the services that it found on its host."""
    return show_bots.whole_bot(queries.get(actor(request), ident), current_clock().now())


@router.put("/bots/{ident}", response=answers.Bot)
def edit(request: HttpRequest, ident: parameters.Ident, body: bodies.BotEdit) -> Answer:
    """Change what a bot is called, what it is for, and how often it asks."""
    actions.edit(actor(request), ident, **dict(body))
    return _bot(request, ident)


@router.delete("/bots/{ident}", response={204: None})
def delete(request: HttpRequest, ident: parameters.Ident) -> Status[None]:
    """Delete a bot: its key counts no longer. What is on its host stays there."""
    actions.delete(actor(request), ident)
    return Status(204, None)


@router.post("/bots/{ident}/token", response=answers.NewBot)
def token(request: HttpRequest, ident: parameters.Ident, body: bodies.BotTokenIn) -> Answer:
    """Make a fresh one-time token: before the bot came, or to enrol it anew."""
    _, text = actions.new_token(actor(request), ident, days=body.days, host=body.host)
    return {**_bot(request, ident), "token": text}


@router.post("/bots/{ident}/stop", response=answers.Bot, problems=(409,))
def stop(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Give a bot nothing more to do."""
    actions.stop(actor(request), ident)
    return _bot(request, ident)


@router.post("/bots/{ident}/start", response=answers.Bot, problems=(409,))
def start(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Give a stopped bot work again."""
    actions.start(actor(request), ident)
    return _bot(request, ident)


@router.get("/bots/{ident}/log", response=answers.Log, headers=("Link",))
def log(
    request: HttpRequest,
    response: HttpResponse,
    ident: parameters.Ident,
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """Read a bot's log, newest first."""
    found = queries.log(actor(request), ident, cursor=cursor, size=size)
    return linked(request, response, show.page(found, show_bots.line))


@router.get("/bots/{ident}/deployments", response=answers.Deployments, headers=("Link",))
def deployments(
    request: HttpRequest,
    response: HttpResponse,
    ident: parameters.Ident,
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List what a bot deployed and is to deploy, newest first."""
    found = queries.deployments(actor(request), ident, cursor=cursor, size=size)
    return linked(request, response, show.page(found, show_bots.deployment))


@router.get("/bots/{ident}/targets", response=answers.Targets)
def targets_of(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """List a bot's targets."""
    return {"items": [show_bots.target(t) for t in queries.targets(queries.get(actor(request), ident))]}


@router.post("/bots/{ident}/targets", response={201: answers.Target}, headers=("Location", "ETag"), problems=(409,))
def add_target(
    request: HttpRequest, response: HttpResponse, ident: parameters.Ident, body: bodies.TargetIn
) -> Status[Answer]:
    """Add a target. The bot will order with its profile for whoever adds it."""
    row = targets.add(actor(request), ident, body.model_dump(exclude_unset=True))
    created(response, "targets", row.pk)
    tag(response, row.revision)
    return Status(201, show_bots.target(row))


@router.get("/targets/{ident}", response=answers.Target, headers=("ETag",))
def target(request: HttpRequest, response: HttpResponse, ident: parameters.Ident) -> Answer:
    """Show a target."""
    row = queries.target(actor(request), ident)
    tag(response, row.revision)
    return show_bots.target(row)


@router.put(
    "/targets/{ident}",
    response=answers.Target,
    headers=("ETag",),
    takes=("If-Match",),
    problems=(409, 412, 428),
)
def edit_target(
    request: HttpRequest, response: HttpResponse, ident: parameters.Ident, body: bodies.TargetEdit
) -> Answer:
    """Replace a target's values; `If-Match` or `revision` is required."""
    values, who = body.model_dump(exclude_unset=True), actor(request)
    revision = expected(request, values.pop("revision", None), queries.target(who, ident).revision)
    try:
        row = targets.edit(who, ident, revision, values)
    except Conflict as lost:
        raise in_time(request, lost) from None
    tag(response, row.revision)
    return show_bots.target(row)


@router.delete("/targets/{ident}", response={204: None}, takes=("If-Match",), problems=(409, 412))
def delete_target(request: HttpRequest, ident: parameters.Ident) -> Status[None]:
    """Delete a target. What is on the host stays there."""
    who = actor(request)
    matching(request, queries.target(who, ident).revision)
    targets.remove(who, ident)
    return Status(204, None)


@router.post("/targets/{ident}/issue", response={201: answers.Deployment}, headers=("Location",), problems=(409,))
def issue(request: HttpRequest, response: HttpResponse, ident: parameters.Ident) -> Status[Answer]:
    """Order a new certificate for a target now, and deploy it."""
    return _begun(response, actions.issue(actor(request), ident))


@router.post("/targets/{ident}/again", response={201: answers.Deployment}, headers=("Location",), problems=(409,))
def again(request: HttpRequest, response: HttpResponse, ident: parameters.Ident) -> Status[Answer]:
    """Deploy a target's newest certificate once more."""
    return _begun(response, actions.again(actor(request), ident))


@router.post("/targets/{ident}/roll-back", response={201: answers.Deployment}, headers=("Location",), problems=(409,))
def roll_back(request: HttpRequest, response: HttpResponse, ident: parameters.Ident) -> Status[Answer]:
    """Put back what a target served before its last deployment."""
    return _begun(response, actions.roll_back(actor(request), ident))


@router.get("/deployments/{ident}", response=answers.WholeDeployment)
def deployment(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show a deployment: one timeline from the wish over the order to what is served."""
    return show_bots.whole_deployment(queries.deployment(actor(request), ident))


@router.post("/deployments/{ident}/cancel", response=answers.Deployment, problems=(409,))
def cancel(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Give up a deployment that its bot has not begun."""
    return show_bots.deployment(actions.cancel(actor(request), ident))


@router.get("/target-kinds", response=answers.TargetKinds)
def target_kinds(request: HttpRequest) -> Answer:
    """List the kinds of targets with their settings."""
    actor(request)
    items = [
        {"kind": kind, "title": title, "settings": kinds.settings(kind).model_json_schema()}
        for kind, title in kinds.TITLES.items()
    ]
    return {"items": items}


def _bot(request: HttpRequest, ident: object) -> Answer:
    return show_bots.bot(queries.get(actor(request), ident), current_clock().now())


def _begun(response: HttpResponse, row: Any) -> Status[Answer]:
    created(response, "deployments", row.pk)
    return Status(201, show_bots.deployment(row))
