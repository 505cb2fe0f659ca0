"""The record over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from chancery.apps.audit import proofs, queries
from chancery.doors.api import answers, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, linked

router = Routes(tags=["audit"])
_LINES = "application/x-ndjson"
_TAR = "application/x-tar"


@router.get("/audit", response=answers.Audit, headers=("Link",))
def entries(
    request: HttpRequest,
    response: HttpResponse,
    action: parameters.ByAction = "",
    by: parameters.ByActor = "",
    address: parameters.ByAddress = "",
    target: parameters.ByTarget = "",
    outcome: parameters.ByOutcome = "",
    since: parameters.Since = "",
    until: parameters.Until = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List audit entries, newest first, with the names and addresses that their bytes only refer to."""
    asked = {"action": action, "by": by, "address": address, "target": target, "outcome": outcome}
    found = queries.listing(actor(request), **asked, since=since, until=until, cursor=cursor, size=size)
    return linked(request, response, show.page(found, queries.content))


@router.get("/audit/export", files={_LINES: "One entry a line: the very bytes that were written."})
def export(
    request: HttpRequest,
    action: parameters.ByAction = "",
    by: parameters.ByActor = "",
    address: parameters.ByAddress = "",
    target: parameters.ByTarget = "",
    outcome: parameters.ByOutcome = "",
    since: parameters.Since = "",
    until: parameters.Until = "",
) -> StreamingHttpResponse:
    """Export the very bytes that were written, one entry per line, oldest first."""
    asked = {"action": action, "by": by, "address": address, "target": target, "outcome": outcome}
    lines = queries.export(actor(request), **asked, since=since, until=until)
    return StreamingHttpResponse(lines, content_type=_LINES)


@router.get("/audit/state", response=answers.RecordState)
def state(request: HttpRequest) -> dict[str, Any]:
    """Say how the record is proven: its tree, its newest signed checkpoint, its keys, and where checkpoints are kept."""
    return show.record_state(proofs.standing(actor(request)))


@router.get("/audit/growth", response=answers.GrowthProof, problems=(422,))
def growth(request: HttpRequest, old: parameters.OldSize, new: parameters.NewSize) -> dict[str, Any]:
    """Prove that the record of `old` entries is the beginning of the one of `new`."""
    return {"old": old, "new": new, "hashes": [proofs.encoded(h) for h in proofs.of_growth(actor(request), old, new)]}


@router.get("/audit/archive", files={_TAR: "The whole record with its hashes, checkpoints and `verify_audit.py`."})
def archive(request: HttpRequest) -> StreamingHttpResponse:
    """Hand out the whole record up to the newest checkpoint (C2SP tlog-tiles), with a program that verifies it alone."""
    return StreamingHttpResponse(proofs.archive(actor(request)), content_type=_TAR)


@router.get("/audit/entries/{ident}/proof", response=answers.EntryProof)
def proof(request: HttpRequest, ident: parameters.Ident) -> dict[str, Any]:
    """Prove that an entry is in the record, under the newest checkpoint."""
    return show.entry_proof(proofs.of_entry(actor(request), ident))
