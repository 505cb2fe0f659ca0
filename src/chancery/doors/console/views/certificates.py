"""Certificates."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.bots import queries as bots
from chancery.apps.certificates import actions, keys, queries, reporting
from chancery.apps.certificates.keys import Keyed
from chancery.apps.certificates.revoking import reasons
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.renewals import queries as renewals
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, ChanceryError
from chancery.doors.api.certificates import file
from chancery.doors.console import picking
from chancery.doors.console.views.base import attempt, page, show

_REPORTS = 20
LEAVE = "leave"
"""What the form sends for a certificate that is not to be revoked now."""


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List queries."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("status", "connector", "search", "cursor")}
    found = queries.listing(actor, **asked)
    rows = [(c, queries.status(c)) for c in found.items]
    names = connectors.names(actor, asked["connector"])
    context = {"page": found, "rows": rows, "asked": asked, "connectors": names}
    return show(request, actor, "certificates", context)


@page
def detail(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a certificate."""
    row = queries.get(actor, ident)
    connector = row.connector
    installed = connector is not None and catalog.find(connector.authority) is not None
    descriptor = descriptor_of(connector.authority, connector.current_id) if connector and installed else None
    facts = descriptor.facts if descriptor else None
    status = queries.status(row)
    bare = row.profile is None
    context = {
        "certificate": row,
        **key_reports_of(row),
        "told": {report.pk for report in queries.key_reports(actor, key=row.spki_sha256).items},
        "offers": reporting.offers(actor, row.spki_sha256),
        "served": bots.serving(actor, row.pk),
        "status": status,
        "unpublished": facts is not None and not facts.publishes_revocations,
        "pem": queries.chain_pem(row),
        "plan": (plan := renewals.of(actor, row.pk)),
        "leaves": plan is not None and plan.state not in {"ordered", "replaced", "ended"},
        "can_revoke": descriptor is not None and "revokes" in descriptor.powers and row.revocation in {"", "refused"},
        "reasons": reasons(row),
        "pick": picking.pick("profiles", actor, "", team=row.team_id, environment=row.environment_id) if bare else None,
    }
    return show(request, actor, "certificate", context)


def key_reports_of(thing: Keyed) -> dict[str, Any]:
    """Return what pages show of the reports of a key: all, the one that stops the thing, else one that only warns of it."""
    reports = keys.about(thing)
    standing = [report for report in reports if report.stands]
    stopping = keys.stopping(thing, standing)
    return {"reports": reports, "reported": stopping, "warned": standing[0] if standing and stopping is None else None}


@page
def download(request: HttpRequest, actor: Actor, ident: str, kind: str) -> HttpResponse:
    """Download a certificate."""
    del request
    return file(queries.get(actor, ident), kind)


@require_POST
@page
def revoke(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Ask for a revocation."""
    reason, comment = request.POST.get("reason", ""), request.POST.get("comment", "")
    attempt(request, lambda: actions.revoke(actor, ident, reason, comment), _("The CA is asked to revoke it."))
    return redirect("certificate", ident)


@require_POST
@page
def report_key(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Report its key as compromised, and have the certificates revoked that were chosen."""
    chosen = {n.removeprefix("revoke-"): str(value) for n, value in request.POST.items() if n.startswith("revoke-")}
    wanted = [(one, reason) for one, reason in chosen.items() if reason not in {"", LEAVE}]
    try:
        made = reporting.report_and_revoke(actor, ident, request.POST.get("note", ""), wanted)
    except ChanceryError as error:
        messages.error(request, f"{error} {error.remedy}".strip())
        return redirect("certificate", ident)
    if made.report.for_everybody:
        told = _("The key is reported as compromised: nothing is certified for it any more.")
    else:
        told = _("The key is reported: nothing is certified for it for this team. Others are told; see below.")
    messages.success(request, told)
    for row, refused in made.revocations:
        if refused is None:
            messages.success(request, _("%s: the CA is asked to revoke it.") % row.common_name)
        else:
            messages.error(request, f"{row.common_name}: {refused} {refused.remedy}".strip())
    return redirect("certificate", ident)


@page
def key_reports(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List the reports of keys, with what may be decided about each."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("key", "cursor")}
    found = queries.key_reports(actor, **asked, size=_REPORTS)
    return show(request, actor, "key_reports", {"page": found, "asked": asked})


@require_POST
@page
def key_report_act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Confirm or withdraw a report."""
    if what == "confirm":
        attempt(request, lambda: reporting.confirm(actor, ident), _("It is confirmed: it stops everybody's orders."))
    elif what == "withdraw":
        reason = request.POST.get("reason", "")
        done = _(
            "It is withdrawn, and stays here to be read. Where no other report stands, the key is certified again."
        )
        attempt(request, lambda: reporting.withdraw(actor, ident, reason), done)
    else:
        raise Absent("page", what)
    return redirect("key_reports")


@require_POST
@page
def renew(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Order a replacement."""
    try:
        csr, profile = request.POST.get("csr") or None, request.POST.get("profile", "")
        order = actions.renew(actor, ident, csr, profile=profile)
    except ChanceryError as error:
        messages.error(request, f"{error} {error.remedy}".strip())
        return redirect("certificate", ident)
    messages.success(request, _("A replacement is ordered; the old certificate stays valid."))
    return redirect("order", str(order.pk))
