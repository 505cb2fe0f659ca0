"""Posture over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from chancery.apps.posture import actions, queries
from chancery.doors.api import bodies, measured, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, linked

router = Routes(tags=["posture"])
Answer = dict[str, Any]


@router.get("/posture", response=measured.Posture, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    state: parameters.PostureState = "open",
    kind: parameters.PostureKind = "",
    level: parameters.PostureLevel = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List what is weak about how CAs are used, the weightiest first."""
    found = queries.listing(actor(request), state=state, kind=kind, level=level, cursor=cursor, size=size)
    page = {**show.page(found, _shown), "egress_addresses": queries.limits().egress}
    return linked(request, response, page)


@router.put("/posture/{key}", response=measured.PostureFinding, problems=(404, 409))
def decide(request: HttpRequest, key: parameters.PostureKey, body: bodies.DecisionIn) -> Answer:
    """Say who looks after a finding, and put it off until a day for a reason; without a day it is open again."""
    who = actor(request)
    actions.decide(who, key, owner=body.owner, until=body.until, reason=body.reason)
    return _shown(queries.get(who, key))


def _shown(shown: queries.Shown) -> Answer:
    one, decision = shown.finding, shown.decision
    about = [{"id": str(c.pk), "authority": c.authority, "name": c.name} for c in shown.connectors]
    return {
        "key": one.key,
        "kind": one.kind,
        "level": one.level,
        "text": one.text,
        "remedy": one.remedy,
        "connectors": about,
        "more": one.more,
        "enforced": shown.enforced,
        "owner": decision.owner if decision is not None else "",
        "until": decision.until if shown.decided and decision is not None else None,
        "reason": decision.reason if decision is not None else "",
    }
