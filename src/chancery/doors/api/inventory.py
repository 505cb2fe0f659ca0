"""Imports, pulls and findings over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.inventory import actions, planning, queries
from chancery.apps.inventory.models import Finding, Pull
from chancery.apps.inventory.planning import Import, Item, Plan
from chancery.apps.shared.action import Place
from chancery.doors.api import inventory_documents as documents
from chancery.doors.api import parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["inventory"])
Answer = dict[str, Any]
_SHOWN = 1000
_SOON = "2"


# Import -------------------------------------------------------------------------------------------------


@router.post("/inventory/preview", response=documents.ImportPreview)
def preview(request: HttpRequest, body: documents.ImportIn) -> Answer:
    """Say what an import would do; nothing is stored. Its `digest` is what POST /inventory/import asks for."""
    return _preview(planning.preview(actor(request), _asked(body)))


@router.post("/inventory/import", response={201: documents.Imported}, problems=(409,))
def import_(request: HttpRequest, body: documents.ImportNowIn) -> Status[Answer]:
    """Store the certificates and owners of an import that was previewed: all of them, or nothing."""
    done = actions.import_certificates(actor(request), _asked(body), body.previewed)
    return Status(201, {"stored": done.stored, "owners_changed": done.owners})


def _asked(body: documents.ImportIn) -> Import:
    return Import(
        certificates=body.certificates.encode(),
        owners=body.owners.encode(),
        connector=body.connector,
        profile=body.profile,
        team=body.team,
        environment=body.environment,
        expired=body.expired,
        source=body.source,
    )


def _preview(plan: Plan) -> Answer:
    items = sorted(plan.items, key=lambda item: item.fate not in planning.HINDERS)[:_SHOWN]
    names = planning.place_names(items)
    return {
        "digest": plan.digest,
        "counts": plan.counts,
        "possible": plan.possible,
        "items": [_item(item, names) for item in items],
        "unused_lines": [line.number for line in plan.unused],
    }


def _item(item: Item, names: dict[Place, tuple[str, str]]) -> Answer:
    team, environment = names[item.place] if item.place is not None else ("", "")
    return {
        "fate": str(item.fate),
        "text": item.text,
        "common_name": item.name,
        "serial": item.facts.serial,
        "issuer": item.facts.issuer,
        "not_after": item.facts.not_after,
        "team": team,
        "environment": environment,
        "connector": str(item.connector.pk) if item.connector else None,
        "profile": str(item.profile.pk) if item.profile else None,
        "owner": item.owner,
        "contact": item.contact,
    }


# Pulls --------------------------------------------------------------------------------------------------


@router.post(
    "/connectors/{ident}/pulls", response={202: documents.Pull}, headers=("Location", "Retry-After"), problems=(409,)
)
def pull(request: HttpRequest, response: HttpResponse, ident: parameters.Ident) -> Status[Answer]:
    """Begin to read a CA's whole list; the pull tells how far it is and what it found."""
    row = actions.pull(actor(request), ident)
    created(response, "pulls", row.pk)
    response.headers["Retry-After"] = _SOON
    return Status(202, _pull(row))


@router.get("/pulls", response=documents.Pulls, headers=("Link",))
def pulls(
    request: HttpRequest,
    response: HttpResponse,
    connector: parameters.OfConnector = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List pulls, newest first."""
    found = queries.pulls(actor(request), connector=connector, cursor=cursor, size=size)
    return linked(request, response, show.page(found, _pull))


@router.get("/pulls/{ident}", response=documents.Pull)
def one_pull(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show how far a pull is."""
    return _pull(queries.get_pull(actor(request), ident))


@router.post("/pulls/{ident}/stop", response=documents.Pull, problems=(409,))
def stop(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """End a pull that is under way; what it found so far stays."""
    return _pull(actions.stop(actor(request), ident))


def _pull(row: Pull) -> Answer:
    counts = ("total", "pages", "entries", "matched", "ended", "at_ca_only", "ours_only", "state_differs")
    more = ("state", "text", "asked_by", "created_at", "finished_at")
    return {
        "id": str(row.pk),
        "connector": str(row.connector_id),
        "connector_name": row.connector.name,
        "next_look_at": row.due_at,
        **{n: getattr(row, n) for n in (*counts, *more)},
    }


# Findings -----------------------------------------------------------------------------------------------


@router.get("/findings", response=documents.Findings, headers=("Link",))
def findings(
    request: HttpRequest,
    response: HttpResponse,
    kind: parameters.FindingKind = "",
    state: parameters.FindingState = "",
    connector: parameters.OfConnector = "",
    search: parameters.FindingSearch = "",
    sort: parameters.FindingSort = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List what CAs and we disagree about, newest first; a search sorts by name."""
    asked = {"kind": kind, "state": state, "connector": connector, "search": search, "sort": sort}
    found = queries.listing(actor(request), **asked, cursor=cursor, size=size)
    return linked(request, response, show.page(found, _finding))


@router.post("/findings/decide", response=documents.AllDecided)
def decide(request: HttpRequest, body: documents.DecideIn) -> Answer:
    """Decide about several findings alike; each has its own result."""
    results = actions.in_bulk(actor(request), body.verb, body.ids, **_given(body))
    return {"results": [{"id": str(i)[:100], "ok": e is None, "detail": str(e) if e else ""} for i, e in results]}


def _given(body: documents.DecideIn) -> Answer:
    revoking = {"reason": body.reason, "comment": body.comment, "confirmed": body.confirm}
    given: dict[str, Answer] = {
        "adopt": {"profile": body.profile}, "ignore": {"reason": body.reason}, "revoke": revoking
    }  # fmt: skip
    return given.get(body.verb, {})


@router.get("/findings/{ident}", response=documents.Finding)
def one_finding(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show a finding."""
    return _finding(queries.get(actor(request), ident))


@router.post("/findings/{ident}/adopt", response=documents.Finding, problems=(409,))
def adopt(request: HttpRequest, ident: parameters.Ident, body: documents.AdoptIn | None = None) -> Answer:
    """Take over what the CA has: its certificate, or its word that ours is revoked."""
    return _finding(actions.adopt(actor(request), ident, body.profile if body else ""))


@router.post("/findings/{ident}/ignore", response=documents.Finding, problems=(409,))
def ignore(request: HttpRequest, ident: parameters.Ident, body: documents.IgnoreIn) -> Answer:
    """Leave a finding as it is, with a reason."""
    return _finding(actions.ignore(actor(request), ident, body.reason))


@router.post("/findings/{ident}/reopen", response=documents.Finding, problems=(409,))
def reopen(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Take back that a finding is ignored."""
    return _finding(actions.reopen(actor(request), ident))


@router.post("/findings/{ident}/revoke", response=documents.Finding, problems=(409,))
def revoke(request: HttpRequest, ident: parameters.Ident, body: documents.RevokeFindingIn) -> Answer:
    """Have the CA revoke the certificate of a finding; one that only the CA has is adopted first."""
    done = actions.revoke(actor(request), ident, body.reason, body.comment, confirmed=body.confirm)
    return _finding(done)


def _finding(row: Finding) -> Answer:
    texts = ("kind", "state", "common_name", "names", "serial", "issuer", "reference", "difference", "text", "reason")
    more = ("not_after", "decided_by", "decided_at", "first_at", "last_at")
    return {
        "id": str(row.pk),
        "connector": str(row.connector_id),
        "connector_name": row.connector.name,
        "pull": str(row.pull_id) if row.pull_id else None,
        "certificate": str(row.certificate_id) if row.certificate_id and not row.elsewhere else None,
        **{n: getattr(row, n) for n in (*texts, *more)},
    }
