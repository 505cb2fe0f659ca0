"""Connectors and CA types over REST."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery import catalog
from chancery.apps.connectors import actions, credentials, queries, trial
from chancery.apps.connectors.models import Connector
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import Page
from chancery.apps.shared.texts import moment
from chancery.core.errors import Absent, Conflict, Invalid
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.revisions import expected, in_time, matching, tag
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["connectors"])
Answer = dict[str, Any]
_EDITABLE = (
    "name",
    "base_url",
    "environment",
    "team",
    "owner",
    "contact",
    "region",
    "description",
    "tags",
    "limit_seats",
    "limit_rate",
    "limit_burst",
)
_OF_ONE_TYPE = ("status", "health", "environment", "region", "search", "sort")
_SOON = "1"
"""Seconds: a worker takes up a call at once, and most answers of CAs are there by then."""


@router.get("/authorities", response=answers.Authorities)
def authorities(request: HttpRequest) -> Answer:
    """List the CA types, and those that could not be loaded."""
    broken = [{"slug": b.slug, "reason": b.reason} for b in catalog.broken()]
    return {"items": [show.authority(d) for d in catalog.descriptors()], "broken": broken}


@router.get("/authorities/{slug}", response=answers.Authority)
def one_authority(request: HttpRequest, slug: parameters.SlugIdent) -> Answer:
    """Show a CA type, with the JSON Schema of its connectors' and profiles' own fields."""
    return show.authority(catalog.get(slug))


@router.get("/connectors.csv", files={"text/csv": "One line for each connector."})
def export(request: HttpRequest, authority: parameters.Slug) -> HttpResponse:
    """Export the connectors of a CA type, without secrets."""
    who = actor(request)
    rows = queries.visible_to(who).filter(authority=_listed(who, authority)).order_by("name_key")
    response = HttpResponse(queries.as_csv(rows.iterator(chunk_size=500)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="connectors.csv"'
    return response


@router.get("/connectors", response=answers.Connectors, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    authority: parameters.Slug = "",
    name: parameters.Name = "",
    status: parameters.ConnectorStatus = "",
    health: parameters.ConnectorHealth = "",
    environment: parameters.InEnvironment = "",
    region: parameters.InRegion = "",
    search: parameters.Search = "",
    sort: parameters.ConnectorSort = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List the connectors of a CA type, or of all of them in the order in which they were made.

    What filters and sorts is for the connectors of one CA type; `name` finds by the whole name.
    """
    who = actor(request)
    if authority:
        _listed(who, authority)
    if authority and not name:
        asked = {"status": status, "health": health, "environment": environment, "region": region, "search": search}
        found = queries.listing(who, authority, **asked, sort=sort, cursor=cursor, size=size)
        return linked(request, response, _page(found))
    alone = next((n for n in _OF_ONE_TYPE if request.GET.get(n)), None)
    if alone is not None:
        raise Invalid.one(alone, "This is for the connectors of one CA type.", "Send authority, and no name, as well.")
    every = queries.listing_all(who, authority=authority, name=name, cursor=cursor, size=size)
    return linked(request, response, _page(every))


@router.post(
    "/connectors",
    response={201: answers.Connector, 202: answers.Change},
    headers=("Location", "ETag"),
    problems=(409, 503),
)
def create(
    request: HttpRequest,
    response: HttpResponse,
    body: bodies.ConnectorIn,
    *,
    test: parameters.Test = False,
    untested: parameters.Untested = "",
) -> Status[Answer]:
    """Create a connector: `authority` plus its fields. With `test` a worker tests them first; faults refuse it."""
    values, who = body.given(), actor(request)
    slug = _authority(values.pop("authority"))
    tested = _tested(who, slug, {n: v for n, v in values.items() if n != "status"}, None) if test else None
    row = actions.create(who, slug, values, tested=tested, untested=untested)
    created(response, "connectors", row.pk)
    tag(response, row.revision)
    return Status(201, _shown(row))


@router.post("/connectors/test", response={202: answers.Call}, headers=("Location", "Retry-After"), problems=(404,))
def test_unsaved(request: HttpRequest, response: HttpResponse, body: bodies.TestIn) -> Status[Answer]:
    """Diagnose settings that are not saved; the call tells the findings."""
    values = body.given()
    slug, saved = _authority(values.pop("authority")), values.pop("connector", None)
    values.pop("status", None)
    return _called(response, actions.test_unsaved(actor(request), slug, values, saved))


@router.post("/connectors/bulk-switch", response=answers.SwitchResults)
def bulk_switch(request: HttpRequest, body: bodies.BulkIn) -> Answer:
    """Activate or deactivate several connectors; each has its own result."""
    if body.status not in {"active", "inactive"}:
        raise Invalid.one("status", "There is no such status.", "Send active or inactive.")
    results = actions.bulk_switch(actor(request), list(body.ids), body.status)
    return {"results": [{"id": str(i)[:100], "ok": e is None, "detail": e.detail if e else ""} for i, e in results]}


@router.get("/connectors/{ident}", response=answers.Connector, headers=("ETag",))
def one(request: HttpRequest, response: HttpResponse, ident: parameters.Ident) -> Answer:
    """Show a connector."""
    row = queries.get(actor(request), ident)
    tag(response, row.revision)
    return _shown(row)


@router.patch(
    "/connectors/{ident}",
    response={200: answers.Connector, 202: answers.Change},
    headers=("ETag",),
    takes=("If-Match",),
    problems=(409, 412, 428, 503),
)
def edit(
    request: HttpRequest,
    response: HttpResponse,
    ident: parameters.Ident,
    body: bodies.ConnectorEdit,
    *,
    test: parameters.Test = False,
    untested: parameters.Untested = "",
    not_before: parameters.NotBefore = "",
) -> Answer:
    """Change a connector; fields that are not sent keep their values. `If-Match` or `revision` is required.

    With `test` a worker tests the settings first; faults refuse the edit. Where others have to approve it, or with
    `not_before`, the answer is the change that waits.
    """
    values, who = body.given(), actor(request)
    row = queries.get(who, ident)
    revision = expected(request, values.pop("revision", None), row.revision)
    present = _shown(row)
    before = {n: present[n] for n in (*_EDITABLE, "proxy", "trust_pem", "allowed_networks")}
    whole = {**before, **present["settings"], **values}
    wanted = test and actions.to_be_tested(who, row.authority, whole, ident)
    tested = _tested(who, row.authority, whole, ident) if wanted else None
    try:
        later = moment(not_before, "not_before")
        edited = actions.edit(who, ident, revision, whole, tested=tested, untested=untested, not_before=later)
    except Conflict as lost:
        raise in_time(request, lost) from None
    tag(response, edited.revision)
    return _shown(edited)


@router.delete(
    "/connectors/{ident}", response={204: None, 202: answers.Change}, takes=("If-Match",), problems=(409, 412, 422)
)
def delete(request: HttpRequest, ident: parameters.Ident, confirm: parameters.Confirm = "") -> Status[None]:
    """Delete a connector that nothing uses. Where the preview names keys that are erased, `confirm` is its name."""
    who = actor(request)
    matching(request, queries.get(who, ident).revision)
    actions.delete(who, ident, confirm)
    return Status(204, None)


@router.get("/connectors/{ident}/references", response=answers.SecretReferences)
def referred(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show the references in place of a connector's secrets, to whoever may write them (`secrets.reference`)."""
    return {"references": credentials.referred(actor(request), ident)}


@router.get("/connectors/{ident}/delete-preview", response=answers.DeletePreview)
def delete_preview(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Say what stands in the way of deleting, and which certificates could no longer be revoked."""
    found = queries.delete_preview(actor(request), ident)
    blockers = [{"kind": b.kind, "name": b.name, "id": b.id, "reason": b.reason} for b in found.blockers]
    return {
        "blockers": blockers,
        "certificates_no_longer_revocable": found.unrevocable,
        "certificates": [show.stranded(c) for c in found.first],
        "erased": found.erased,
    }


@router.post(
    "/connectors/{ident}/activate", response={200: answers.Connector, 202: answers.Change}, problems=(409, 422)
)
def activate(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Switch a connector on."""
    return _shown(actions.activate(actor(request), ident))


@router.post(
    "/connectors/{ident}/deactivate", response={200: answers.Deactivated, 202: answers.Change}, problems=(409,)
)
def deactivate(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Switch a connector off; says how many submissions are in flight."""
    done = actions.deactivate(actor(request), ident)
    return {**_shown(done.connector), "submissions_in_flight": done.submissions}


@router.post("/connectors/{ident}/copy", response={201: answers.Connector}, headers=("Location", "ETag"))
def copy(request: HttpRequest, response: HttpResponse, ident: parameters.Ident, body: bodies.NameIn) -> Status[Answer]:
    """Copy a connector without its secrets; the copy is inactive."""
    row = actions.copy(actor(request), ident, body.name)
    created(response, "connectors", row.pk)
    tag(response, row.revision)
    return Status(201, _shown(row))


@router.post("/connectors/{ident}/test", response={202: answers.Call}, headers=("Location", "Retry-After"))
def test(request: HttpRequest, response: HttpResponse, ident: parameters.Ident) -> Status[Answer]:
    """Diagnose a saved connector; the call tells the findings."""
    return _called(response, actions.test_saved(actor(request), ident))


@router.post(
    "/connectors/{ident}/choices/{field}",
    response={202: answers.Call},
    headers=("Location", "Retry-After"),
    problems=(422,),
)
def choices(
    request: HttpRequest, response: HttpResponse, ident: parameters.Ident, field: parameters.FieldName
) -> Status[Answer]:
    """Ask the CA for the pick list of a field; the call has it when it is done."""
    return _called(response, actions.ask_choices(actor(request), "", field, {}, ident))


@router.get("/calls/{ident}", response=answers.Call)
def call(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show how a test, probe or pick list stands."""
    return show.call(queries.call(actor(request), ident))


def _authority(slug: str) -> str:
    """Return the slug of a CA type that there is, or refuse the field."""
    try:
        return catalog.get(slug).slug
    except Absent:
        known = ", ".join(d.slug for d in catalog.descriptors())
        raise Invalid.one("authority", f"There is no CA type {slug[:60]!r}.", f"Send one of: {known}.") from None


def _listed(who: Actor, slug: str) -> str:
    """Return the slug of a CA type that there is, or of one that somebody's connectors are left of; else refuse the field."""
    try:
        queries.title(who, slug)
    except Absent:
        return _authority(slug)
    return slug


def _tested(who: Actor, slug: str, values: Answer, ident: str | None) -> str:
    """Have settings tested by a worker, and return the id of the call."""
    return str(trial.wait(who, actions.test_unsaved(who, slug, values, ident).pk).pk)


def _shown(row: Connector) -> Answer:
    return show.connector(row, queries.queues([row]))


def _page(found: Page[Connector]) -> Answer:
    return show.page(found, partial(show.connector, queues=queries.queues(found.items)))


def _called(response: HttpResponse, row: Any) -> Status[Answer]:
    created(response, "calls", row.pk)
    response.headers["Retry-After"] = _SOON
    return Status(202, show.call(row))
