"""Versions of a connector over REST: listed, compared, gone back to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse

from chancery.apps.connectors import history, queries
from chancery.apps.connectors.models import ConnectorVersion
from chancery.apps.shared.texts import moment
from chancery.core.errors import Conflict
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.revisions import expected, in_time, tag
from chancery.doors.api.routes import Routes

router = Routes(tags=["connectors"])
_HERE = "/connectors/{ident}/versions"


@router.get(_HERE, response=answers.Versions)
def listing(request: HttpRequest, ident: parameters.Ident) -> dict[str, Any]:
    """List the newest versions of a connector's settings, without secrets."""
    row = queries.get(actor(request), ident)
    return {"items": [_version(v, in_force=v.pk == row.current_id) for v in history.versions(row)]}


@router.get(f"{_HERE}/difference", response=answers.Differences)
def difference(
    request: HttpRequest, ident: parameters.Ident, old: parameters.VersionNumber, new: parameters.VersionNumber
) -> dict[str, Any]:
    """Say what changed between two versions."""
    found = history.difference(queries.get(actor(request), ident), old, new)
    return {"old": old, "new": new, "items": [asdict(d) for d in found]}


@router.post(
    f"{_HERE}/{{number}}/restore",
    response={200: answers.Connector, 202: answers.Change},
    headers=("ETag",),
    takes=("If-Match",),
    problems=(409, 412, 428),
)
def restore(
    request: HttpRequest,
    response: HttpResponse,
    ident: parameters.Ident,
    number: parameters.VersionNumber,
    body: bodies.RollBackIn,
) -> dict[str, Any]:
    """Edit a connector back to the settings of an earlier version, as a new version. `If-Match` or `revision` is required."""
    who = actor(request)
    revision = expected(request, body.revision, queries.get(who, ident).revision)
    try:
        row = history.roll_back(
            who, ident, revision, number, body.secrets, body.untested, moment(body.not_before, "not_before")
        )
    except Conflict as lost:
        raise in_time(request, lost) from None
    tag(response, row.revision)
    return show.connector(row, queries.queues([row]))


def _version(row: ConnectorVersion, *, in_force: bool) -> dict[str, Any]:
    names = ("number", "created_at", "created_by", "tested_at", "untested_reason")
    where = {n: getattr(row, n) for n in ("base_url", "proxy", "allowed_networks", "settings")}
    return {**{n: getattr(row, n) for n in names}, **where, "in_force": in_force}
