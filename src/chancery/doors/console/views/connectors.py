"""Integrations → CA Connectors."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.connectors import actions, queries
from chancery.apps.connectors.models import Connector
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import ChanceryError, Conflict, Invalid, Problem
from chancery.doors.console.forms import connector_form, posted
from chancery.doors.console.views.base import attempt, page, show

COMMON = ("name", "base_url", "environment", "team", "owner", "contact", "region", "description", "tags")
WHERE = ("proxy", "trust_pem", "allowed_networks")


@page
def overview(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show every CA type with counts and health."""
    return show(request, actor, "ca_types", {"types": queries.overview(actor), "broken": catalog.broken()})


@page
def listing(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """List the connectors of a CA type."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("status", "search", "sort", "cursor")}
    found = queries.listing(actor, slug, **{**asked, "sort": asked["sort"] or "name"})
    waiting = queries.queues(found.items)
    rows = [(c, waiting.get(str(c.pk), 0)) for c in found.items]
    return show(request, actor, "connectors", {"type": catalog.get(slug), "page": found, "rows": rows, "asked": asked})


@page
def create(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Create a connector."""
    descriptor = catalog.get(slug)
    if request.method != "POST":
        return _form(request, actor, slug, {}, [], None)
    values = _values(request, descriptor)
    try:
        made = actions.create(actor, slug, values)
    except Invalid as error:
        return _form(request, actor, slug, values, error.problems, None)
    messages.success(request, _("%(name)s was created.") % {"name": made.name})
    return redirect("connectors", slug)


@page
def edit(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Edit a connector; a stale revision keeps the input and says so."""
    row = queries.get(actor, ident)
    descriptor = catalog.get(row.authority)
    if request.method != "POST":
        return _form(request, actor, row.authority, stored(row), [], row)
    values = _values(request, descriptor)
    try:
        actions.edit(actor, ident, int(request.POST.get("revision", "0") or 0), values)
    except Invalid as error:
        return _form(request, actor, row.authority, values, error.problems, row)
    except Conflict as error:
        problems = [Problem("name", f"{error.detail} {error.remedy}")]
        return _form(request, actor, row.authority, values, problems, row)
    messages.success(request, _("%(name)s was changed.") % {"name": values.get("name", row.name)})
    return redirect("connector", ident)


def stored(row: Connector) -> dict[str, Any]:
    """Return a connector's values as its form shows them; never a secret."""
    version = actions.current(row)
    values: dict[str, Any] = {name: getattr(row, name) for name in COMMON}
    values |= {"team": row.team.name, "environment": row.environment.name}
    return {**values, **{name: getattr(version, name) for name in WHERE}, **version.settings}


def _values(request: HttpRequest, descriptor: Any) -> dict[str, Any]:
    common = {n: request.POST[n] for n in (*COMMON, *WHERE) if n in request.POST}
    return {**common, **posted(descriptor.config, request.POST)}


def _form(
    request: HttpRequest,
    actor: Actor,
    slug: str,
    values: dict[str, Any],
    problems: list[Problem],
    row: Connector | None,
) -> HttpResponse:
    descriptor = catalog.get(slug)
    secrets = frozenset(actions.current(row).secrets) if row else frozenset()
    groups = connector_form(descriptor, values, secrets, problems)
    shown = {i.name for g in groups for i in g.inputs}
    context = {
        "type": descriptor,
        "groups": groups,
        "connector": row,
        "problems": problems,
        "elsewhere": [p for p in problems if p.field not in shown],
    }
    return show(request, actor, "connector_form", context, 422 if problems else 200)


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a connector."""
    row = queries.get(actor, ident)
    version = actions.current(row)
    context = {
        "connector": row,
        "type": catalog.get(row.authority),
        "version": version,
        "secrets": sorted(version.secrets),
        "settings": {k: v for k, v in version.settings.items() if len(str(v)) < 200},
        "waiting": queries.queues([row]).get(str(row.pk), 0),
        "versions": row.versions.order_by("-number")[:20],
    }
    return show(request, actor, "connector", context)


@require_POST
@page
def switch(request: HttpRequest, actor: Actor, ident: str, to: str) -> HttpResponse:
    """Activate or deactivate."""
    row = queries.get(actor, ident)
    if to == "activate":
        attempt(request, lambda: actions.activate(actor, ident), _("It is active."))
    else:
        attempt(
            request,
            lambda: actions.deactivate(actor, ident),
            _("It is inactive. Nothing was revoked; new orders wait."),
        )
    return redirect("connectors", row.authority)


@require_POST
@page
def bulk(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Activate or deactivate the ticked connectors."""
    wanted = "active" if request.POST.get("to") == "active" else "inactive"
    for ident, error in actions.bulk_switch(actor, list(request.POST.getlist("id")), wanted):
        if error is not None:
            messages.error(request, f"{ident}: {error}")
    messages.success(request, _("Done."))
    return redirect("connectors", slug)


@page
def copy(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Copy without secrets."""
    row = queries.get(actor, ident)
    if request.method == "POST" and attempt(
        request,
        lambda: actions.copy(actor, ident, request.POST.get("name", "")),
        _("The copy is inactive and has no secrets yet."),
    ):
        return redirect("connectors", row.authority)
    return show(request, actor, "connector_copy", {"connector": row})


@page
def delete(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Preview, then delete."""
    preview = queries.delete_preview(actor, ident)
    error: ChanceryError | None = None
    if request.method == "POST":
        try:
            actions.delete(actor, ident)
        except ChanceryError as refused:
            error = refused
        else:
            messages.success(request, _("%(name)s was deleted.") % {"name": preview.connector.name})
            return redirect("connectors", preview.connector.authority)
    return show(request, actor, "connector_delete", {"preview": preview, "error": error}, 409 if error else 200)


@require_POST
@page
def test(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Test a saved connector."""
    return redirect("call", str(actions.test_saved(actor, ident).pk))


@require_POST
@page
def test_unsaved(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Test what stands in the form, without saving it."""
    descriptor = catalog.get(slug)
    ident = request.POST.get("connector") or None
    row = queries.get(actor, ident) if ident else None
    values = _values(request, descriptor)
    try:
        call = actions.test_unsaved(actor, slug, values, ident)
    except Invalid as error:
        return _form(request, actor, slug, values, error.problems, row)
    return show(request, actor, "findings", _call_context(actor, str(call.pk)))


@page
def call(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Follow a test."""
    template = "findings" if request.headers.get("HX-Request") else "call"
    return show(request, actor, template, _call_context(actor, ident))


def _call_context(actor: Actor, ident: str) -> dict[str, Any]:
    found = queries.call(actor, ident)
    running = found.state in {"due", "running"}
    alive = not running or queries.worker_alive(current_clock().now())
    return {"call": found, "running": running, "no_worker": not alive, "findings": found.result.get("findings", [])}


@page
def export(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Export a listing as CSV."""
    rows = queries.visible_to(actor).filter(authority=slug).order_by("name")
    response = HttpResponse(queries.as_csv(rows.iterator(chunk_size=500)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{catalog.get(slug).slug}.csv"'
    return response
