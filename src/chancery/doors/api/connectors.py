"""Connectors and CA types over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from chancery import catalog
from chancery.apps.connectors import actions, queries
from chancery.core.errors import Invalid
from chancery.doors.api import show
from chancery.doors.api.body import actor, integer, mapping, text

router = Router(tags=["connectors"])


@router.get("/authorities")
def authorities(request: HttpRequest) -> dict[str, Any]:
    """List the CA types, and those that could not be loaded."""
    del request
    broken = [{"slug": b.slug, "reason": b.reason} for b in catalog.broken()]
    return {"items": [show.authority(d) for d in catalog.descriptors()], "broken": broken}


@router.get("/connectors.csv")
def export(request: HttpRequest, authority: str) -> HttpResponse:
    """Export the connectors of a CA type, without secrets."""
    rows = queries.visible_to(actor(request)).filter(authority=authority).order_by("name")
    response = HttpResponse(queries.as_csv(rows.iterator(chunk_size=500)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="connectors.csv"'
    return response


@router.get("/connectors")
def listing(
    request: HttpRequest,
    authority: str = "",
    status: str = "",
    search: str = "",
    sort: str = "name",
    cursor: str = "",
    size: int = 50,
) -> dict[str, Any]:
    """List the connectors of a CA type (all types, by name, when none is given)."""
    who = actor(request)
    if not authority:
        rows = queries.visible_to(who).order_by("authority", "name")[:1000]
        return {"items": [show.connector(c) for c in rows], "next": "", "previous": "", "count": str(len(rows))}
    found = queries.listing(who, authority, status=status, search=search, sort=sort, cursor=cursor, size=size)
    return show.page(found, show.connector)


@router.post("/connectors", response={201: dict[str, Any]})
def create(request: HttpRequest) -> Status[dict[str, Any]]:
    """Create a connector: `authority` plus its fields."""
    values = mapping(request)
    slug = text(values, "authority")
    values.pop("authority", None)
    return Status(201, show.connector(actions.create(actor(request), slug, values)))


@router.post("/connectors/test", response={202: dict[str, Any]})
def test_unsaved(request: HttpRequest) -> Status[dict[str, Any]]:
    """Diagnose settings that are not saved."""
    values = mapping(request)
    slug, saved = text(values, "authority"), values.pop("connector", None)
    values.pop("authority", None)
    return Status(202, show.call(actions.test_unsaved(actor(request), slug, values, saved)))


@router.post("/connectors/bulk-switch")
def bulk_switch(request: HttpRequest) -> dict[str, Any]:
    """Activate or deactivate several connectors; each has its own result."""
    values = mapping(request)
    ids, wanted = values.get("ids"), text(values, "status")
    if not isinstance(ids, list) or wanted not in {"active", "inactive"}:
        raise Invalid.one("ids", "Send a list of ids and a status.", "status is active or inactive.")
    results = actions.bulk_switch(actor(request), ids, wanted)
    return {"results": [{"id": str(i), "ok": e is None, "detail": e.detail if e else ""} for i, e in results]}


@router.get("/connectors/{ident}")
def one(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Show a connector."""
    return show.connector(queries.get(actor(request), ident))


@router.patch("/connectors/{ident}")
def edit(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Change a connector; fields that are not sent keep their values. `revision` is required."""
    values, who = mapping(request), actor(request)
    revision = integer(values, "revision")
    if revision is None:
        raise Invalid.one("revision", "The revision you edited is missing.", "Read the connector first.")
    values.pop("revision")
    present = show.connector(queries.get(who, ident))
    names = ("name", "base_url", "environment", "team", "owner", "contact", "region", "description", "tags")
    before = {n: present[n] for n in (*names, "proxy", "trust_pem", "allowed_networks")}
    return show.connector(actions.edit(who, ident, revision, {**before, **present["settings"], **values}))


@router.delete("/connectors/{ident}", response={204: None})
def delete(request: HttpRequest, ident: str) -> Status[None]:
    """Delete a connector that nothing uses."""
    actions.delete(actor(request), ident)
    return Status(204, None)


@router.get("/connectors/{ident}/delete-preview")
def delete_preview(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Say what stands in the way of deleting, and which certificates could no longer be revoked."""
    found = queries.delete_preview(actor(request), ident)
    blockers = [{"kind": b.kind, "name": b.name, "id": b.id, "reason": b.reason} for b in found.blockers]
    return {"blockers": blockers, "certificates_no_longer_revocable": found.unrevocable}


@router.post("/connectors/{ident}/activate")
def activate(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Switch a connector on."""
    return show.connector(actions.activate(actor(request), ident))


@router.post("/connectors/{ident}/deactivate")
def deactivate(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Switch a connector off; says how many submissions are in flight."""
    done = actions.deactivate(actor(request), ident)
    return {**show.connector(done.connector), "submissions_in_flight": done.submissions}


@router.post("/connectors/{ident}/copy", response={201: dict[str, Any]})
def copy(request: HttpRequest, ident: str) -> Status[dict[str, Any]]:
    """Copy a connector without its secrets."""
    return Status(201, show.connector(actions.copy(actor(request), ident, text(mapping(request), "name"))))


@router.post("/connectors/{ident}/test", response={202: dict[str, Any]})
def test(request: HttpRequest, ident: str) -> Status[dict[str, Any]]:
    """Diagnose a saved connector."""
    return Status(202, show.call(actions.test_saved(actor(request), ident)))


@router.post("/connectors/{ident}/choices/{field}", response={202: dict[str, Any]})
def choices(request: HttpRequest, ident: str, field: str) -> Status[dict[str, Any]]:
    """Ask the CA for the pick list of a field."""
    return Status(202, show.call(actions.ask_choices(actor(request), "", field, {}, ident)))


@router.get("/calls/{ident}")
def call(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Show how a test, probe or pick list stands."""
    return show.call(queries.call(actor(request), ident))
