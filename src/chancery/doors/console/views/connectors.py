"""Integrations → CA Connectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.accounts.models import Environment
from chancery.apps.accounts.permissions import Permission
from chancery.apps.changes.holding import Proposed
from chancery.apps.connectors import actions, history, pace, queries, trial
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import CallKind, Connector, Health, Status
from chancery.apps.pools import impact
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import MAX_SIZE
from chancery.apps.shared.paging import by_id, one_of
from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid, Problem
from chancery.doors.console.forms import as_typed, connector_form, moment_of, posted, readable
from chancery.doors.console.views.base import page, require, show, whole
from chancery.doors.problems import status
from chancery.sdk.config import secret_names

FILTERS = ("status", "health", "environment", "region")
COMMON = (
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
WHERE = ("proxy", "trust_pem", "allowed_networks")


@page
def overview(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show every CA type with counts and health."""
    return show(request, actor, "ca_types", {"types": queries.overview(actor), "broken": catalog.broken()})


@page
def listing(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """List the connectors of a CA type."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in (*FILTERS, "search", "sort", "cursor")}
    found = queries.listing(actor, slug, **asked)
    waiting = queries.queues(found.items)
    context = {
        "type": catalog.get(slug),
        "page": found,
        "rows": [(c, waiting.get(str(c.pk), 0)) for c in found.items],
        "asked": asked,
        "filtered": any(asked[k] for k in (*FILTERS, "search")),
        "statuses": Status.choices,
        "healths": Health.choices,
        "environments": list(Environment.objects.order_by("name").values_list("name", flat=True)),
        "sorts": {"": _("name"), "-name": _("name, backwards"), "-created_at": _("newest"), "created_at": _("oldest")},
    }
    return show(request, actor, "connectors", context)


@page
def create(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Create a connector."""
    require(actor, Permission.CONNECTOR_CREATE)
    descriptor = catalog.get(slug)
    if request.method != "POST":
        return _form(request, actor, slug, {}, [], None)
    values = _values(request, descriptor)
    try:
        made = actions.create(actor, slug, values, **_trial(request))
    except Invalid as error:
        return _form(request, actor, slug, values, error.problems, None)
    messages.success(request, _("%(name)s was created.") % {"name": made.name})
    return redirect("connectors", slug)


@page
def edit(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Edit a connector; who comes second sees what the first changed, and decides."""
    row = queries.get(actor, ident)
    require(actor, Permission.CONNECTOR_EDIT, row)
    descriptor = catalog.get(row.authority)
    if request.method != "POST":
        number = request.GET.get("version", "")
        earlier = history.values(row, whole(number, "version")) if number else {}
        named = {"team": row.team.name, "environment": row.environment.name}
        return _form(request, actor, row.authority, {**stored(row), **earlier, **named}, [], row)
    values = _values(request, descriptor)
    try:
        revision = whole(request.POST.get("seen") or request.POST.get("revision", ""), "revision")
        later = moment_of(request.POST.get("not_before", ""), "not_before")
        actions.edit(actor, ident, revision, values, **_trial(request), not_before=later)
    except Invalid as error:
        return _form(request, actor, row.authority, values, error.problems, row)
    except Conflict as error:
        return _form(request, actor, row.authority, values, [], row, error)
    messages.success(request, _("%(name)s was changed.") % {"name": values.get("name", row.name)})
    return redirect("connector", ident)


def _trial(request: HttpRequest) -> dict[str, Any]:
    """Return what a form says of its test. That it was to be tested first is told by its button, and heard by scripts."""
    sent = request.POST
    if sent.get("how") == "test":
        text, remedy = "The test is followed in the page, which needs scripts.", "Save it without a test."
        raise Invalid.one("test", text, remedy)
    tested = "" if sent.get("how") == "untested" else sent.get("tested", "")
    return {"tested": tested, "untested": sent.get("untested", "")}


def _differences(row: Connector, values: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return field, present value, and typed value where they differ."""
    present = {name: as_typed(value) for name, value in stored(row).items()}
    return [
        (name, present.get(name, ""), as_typed(value))
        for name, value in values.items()
        if name not in secret_names(catalog.get(row.authority).config) and present.get(name, "") != as_typed(value)
    ]


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
    stale: Conflict | None = None,
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
        "stale": stale,
        "elsewhere": [p for p in problems if p.field not in shown],
        # The revision that the person saw, never a newer one: saving over somebody is said in so many words.
        "revision": request.POST.get("revision") or (row.revision if row else ""),
        "differences": _differences(row, values) if row and stale else [],
        "impact": impact.of(actor, row.pk) if row else None,
    }
    return show(request, actor, "connector_form", context, 409 if stale else 422 if problems else 200)


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a connector."""
    row = queries.get(actor, ident)
    version, descriptor = actions.current(row), descriptor_of(row.authority, row.current_id)
    now = pace.of(row, current_clock().now())
    context = {
        "breaker": pace.said(row),
        "pace": now,
        "slowed": round(now.share * 100),
        "connector": row,
        "type": descriptor,
        "version": version,
        "settings": readable(descriptor.config, version.settings, frozenset(version.secrets)),
        "waiting": queries.queues([row]).get(str(row.pk), 0),
        "versions": row.versions.order_by("-number")[:20],
    }
    return show(request, actor, "connector", context)


@page
def version(request: HttpRequest, actor: Actor, ident: str, number: int) -> HttpResponse:
    """Show what a version changed, and in what it differs from the one in force."""
    row = queries.get(actor, ident)
    found, present = history.version(row, number), actions.current(row)
    context = {
        "connector": row,
        "version": found,
        "present": present,
        "changed": history.difference(row, number - 1, number) if number > 1 else [],
        "since": history.difference(row, number, present.number),
    }
    return show(request, actor, "connector_version", context)


@require_POST
@page
def switch(request: HttpRequest, actor: Actor, ident: str, to: str) -> HttpResponse:
    """Activate or deactivate."""
    row = queries.get(actor, ident)
    if to not in _SWITCHES:
        raise Absent("page", to)
    try:
        messages.success(request, _said(_SWITCHES[to](actor, ident)))
    except Proposed:
        raise
    except ChanceryError as error:
        messages.error(request, f"{row.name}: {error} {error.remedy}".strip())
    return redirect("connector", ident) if "stay" in request.POST else redirect("connectors", row.authority)


_SWITCHES: dict[str, Callable[[Actor, object], Any]] = {"activate": actions.activate, "deactivate": actions.deactivate}


def _said(done: Any) -> str:
    """Say what switching a connector did, and what is still on its way."""
    if not isinstance(done, actions.InFlight):
        return _("%(name)s is active.") % {"name": done.name}
    name = {"name": done.connector.name, "number": done.submissions}
    if not done.submissions:
        return _("%(name)s is inactive. Nothing was revoked; new orders wait.") % name
    return (
        ngettext(
            "%(name)s is inactive. %(number)s submission was on its way and will be followed to its end; new orders wait.",
            "%(name)s is inactive. %(number)s submissions were on their way and will be followed to their end;"
            " new orders wait.",
            done.submissions,
        )
        % name
    )


@require_POST
@page
def bulk(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Activate or deactivate the ticked connectors of this CA type; each has its own result, by name."""
    wanted = one_of("to", request.POST.get("to", ""), ("active", "inactive"))
    ticked = [ident for ident in request.POST.getlist("id") if by_id(Connector.objects.all(), ident)][:MAX_SIZE]
    names = dict(queries.visible_to(actor).filter(authority=slug, pk__in=ticked).values_list("pk", "name"))
    if not names:
        messages.error(request, _("Nothing was selected. Tick the connectors first."))
    for ident, error in actions.bulk_switch(actor, list(names), wanted):
        name = names[UUID(str(ident))]
        if error is None:
            messages.success(request, f"{name}: {wanted}")
        elif isinstance(error, Proposed):
            messages.info(request, str(error))
        else:
            messages.error(request, f"{name}: {error} {error.remedy}".strip())
    return redirect("connectors", slug)


@page
def copy(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Copy without secrets."""
    row = queries.get(actor, ident)
    require(actor, Permission.CONNECTOR_COPY, row)
    problems: list[Problem] = []
    if request.method == "POST":
        try:
            made = actions.copy(actor, ident, request.POST.get("name", ""))
        except Invalid as error:
            problems = error.problems
        else:
            messages.success(request, _("%(name)s is inactive and has no secrets yet.") % {"name": made.name})
            return redirect("connector_edit", made.pk)
    context = {"connector": row, "problems": problems, "name": request.POST.get("name", "")}
    return show(request, actor, "connector_copy", context, 422 if problems else 200)


@page
def delete(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Preview, then delete."""
    preview = queries.delete_preview(actor, ident)
    require(actor, Permission.CONNECTOR_DELETE, preview.connector)
    error: ChanceryError | None = None
    if request.method == "POST":
        try:
            actions.delete(actor, ident, request.POST.get("confirm", ""))
        except Proposed:
            raise
        except ChanceryError as refused:
            error = refused
        else:
            messages.success(request, _("%(name)s was deleted.") % {"name": preview.connector.name})
            return redirect("connectors", preview.connector.authority)
    context = {"preview": preview, "error": error, "problems": getattr(error, "problems", [])}
    return show(request, actor, "connector_delete", context, status(error)[0] if error else 200)


@require_POST
@page
def test(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Test a saved connector."""
    return redirect("call", str(actions.test_saved(actor, ident).pk))


@require_POST
@page
def test_unsaved(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Test what stands in the form, without saving it."""
    values, ident = _values(request, catalog.get(slug)), request.POST.get("connector") or None
    saving = request.POST.get("then") == "save"
    try:
        if saving and not actions.to_be_tested(actor, slug, values, ident):
            return show(request, actor, "_save_now", {"nothing": True})
        call = actions.test_unsaved(actor, slug, values, ident)
    except Invalid as error:
        return show(request, actor, "_problems", {"problems": error.problems}, 422)
    return show(request, actor, "findings", _call_context(actor, str(call.pk), saving=saving))


@require_POST
@page
def choices(request: HttpRequest, actor: Actor, slug: str, field: str) -> HttpResponse:
    """Ask the CA what a field of the form may hold; the answer becomes suggestions of that field."""
    ident = request.POST.get("connector") or None
    # The form of a connector asks with what stands in it; that of a profile with the connector as it is saved.
    values = _values(request, catalog.get(slug)) if request.POST.get("kind") == "connector" else {}
    try:
        found = actions.ask_choices(actor, slug, field, values, ident)
    except Invalid as error:
        return show(request, actor, "_problems", {"problems": error.problems}, 422)
    return show(request, actor, "choices", _call_context(actor, str(found.pk)))


@page
def call(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Follow a test."""
    context = _call_context(actor, ident, saving="save" in request.GET)
    part = "choices" if context["call"].kind == CallKind.CHOICES else "findings"
    return show(request, actor, part if request.headers.get("HX-Request") else "call", context)


def _call_context(actor: Actor, ident: str, *, saving: bool = False) -> dict[str, Any]:
    found = queries.call(actor, ident)
    running = found.state in {"due", "running"}
    alive = not running or queries.worker_alive(current_clock().now())
    return {
        "call": found,
        "running": running,
        "no_worker": not alive,
        "findings": found.result.get("findings", []),
        "unusable": [c for c in found.result.get("choices", []) if c.get("detail", {}).get("usable") is False],
        "saving": saving,
        "passed": trial.passed(found),
    }


@page
def export(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Export a listing as CSV."""
    rows = queries.visible_to(actor).filter(authority=slug).order_by("name_key")
    response = HttpResponse(queries.as_csv(rows.iterator(chunk_size=500)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{catalog.get(slug).slug}.csv"'
    return response
