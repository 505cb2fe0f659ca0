"""Changes that wait for approval or for their time, and how many have to agree, over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.changes import actions, queries
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, linked

router = Routes(tags=["changes"])
Answer = dict[str, Any]


@router.get("/changes", response=answers.Changes, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    state: parameters.ChangeState = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List changes, the newest first; without a state, those that wait."""
    found = queries.listing(actor(request), state=state, cursor=cursor, size=size)
    return linked(request, response, show.page(found, show.change))


@router.get("/changes/rules", response=answers.Rules)
def rules(request: HttpRequest) -> Answer:
    """Say how many people have to approve each kind of change in each environment."""
    return {"items": queries.rules(actor(request))}


@router.put("/changes/rules", response={200: answers.Rules, 202: answers.Change})
def set_rule(request: HttpRequest, body: bodies.RuleIn) -> Answer:
    """Set how many people have to approve a kind of change. Fewer than before is itself a change that they approve."""
    who = actor(request)
    actions.set_rule(who, body.environment, body.kind, body.needed)
    return {"items": queries.rules(who)}


@router.get("/changes/{ident}", response=answers.Change)
def one(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show a change: what it does, who approved it, and why it was not applied."""
    return show.change(queries.change(actor(request), ident))


@router.post("/changes/{ident}/approve", response=answers.Change, problems=(409,))
def approve(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Agree to a change of somebody else; with the last approval it is applied, or waits for its time."""
    return show.change(actions.approve(actor(request), ident))


@router.post("/changes/{ident}/deny", response=answers.Change, problems=(409,))
def deny(request: HttpRequest, ident: parameters.Ident, body: bodies.ReasonIn) -> Answer:
    """Refuse a change of somebody else, with a reason."""
    return show.change(actions.deny(actor(request), ident, body.reason))


@router.post("/changes/{ident}/withdraw", response=answers.Change, problems=(409,))
def withdraw(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Take back what one has proposed oneself."""
    return show.change(actions.withdraw(actor(request), ident))


@router.post("/changes/{ident}/renew", response={200: answers.Change, 202: answers.Change}, problems=(409, 422))
def renew(request: HttpRequest, ident: parameters.Ident) -> Status[Answer]:
    """Propose again, for the connector as it is now, what one has proposed before; the new change is the answer."""
    who = actor(request)
    actions.renew(who, ident)
    return Status(200, show.change(queries.change(who, ident)))
