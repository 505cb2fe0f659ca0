"""A connector's health over time, and what is to be renewed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.connectors import queries as connectors
from chancery.apps.health import queries
from chancery.apps.health.queries import SPANS, History
from chancery.apps.renewals import actions
from chancery.apps.renewals import queries as renewals
from chancery.apps.renewals.models import PlanState
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import ChanceryError
from chancery.doors.console.charts import Chart, Series, lined, stacked
from chancery.doors.console.views.base import page, show

_KINDS = 4
"""Kinds of errors that have a colour of their own; the others share one."""


@page
def connector(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show how a connector's calls went, in charts with a table behind each."""
    row = connectors.get(actor, ident)
    found = queries.history(row, request.GET.get("span", ""))
    context = {
        "connector": row,
        "history": found,
        "spans": list(zip(SPANS, (_("a day"), _("a week"), _("three months")), strict=True)),
        "calls": _calls(found),
        "latency": _latency(found),
        "seen": [point for point in reversed(found.points) if point.calls],
        "now": current_clock().now(),
        "form": "H:i" if found.span == "day" else "Y-m-d",
    }
    return show(request, actor, "connector_health", context)


def _calls(found: History) -> Chart:
    named, rest = found.error_kinds[:_KINDS], found.error_kinds[_KINDS:]
    series = [Series(_("answered"), "good", [p.answered for p in found.points])]
    series += [Series(kind, f"bad{n}", [p.errors.get(kind, 0) for p in found.points]) for n, kind in enumerate(named)]
    if rest:
        others = [sum(p.errors.get(kind, 0) for kind in rest) for p in found.points]
        series.append(Series(_("other errors"), "other", others))
    return stacked(_("Calls to the CA"), series)


def _latency(found: History) -> Chart:
    series = [
        Series(_("mean"), "mean", [p.mean for p in found.points]),
        Series(_("19 of 20 took no longer"), "high", [p.p95 for p in found.points]),
    ]
    return lined(_("How long they took"), series, "s")


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List renewals: what comes next, or those in a state."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("state", "cursor")}
    context = {"page": renewals.listing(actor, **asked), "asked": asked, "states": PlanState.choices}
    return show(request, actor, "renewals", context)


@page
def forecast(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what is to be renewed week by week; the list fetches the same in part, so that it need not wait for sums."""
    found = renewals.forecast(actor)
    context = {
        "forecast": found,
        "weeks": list(zip(found.starts, found.weeks, strict=True)),
        "chart": stacked(_("Renewals by week"), [Series(_("certificates"), "plain", found.weeks)]),
    }
    return show(request, actor, "forecast_part" if request.headers.get("HX-Request") else "forecast", context)


@require_POST
@page
def leave_request(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Take a request for the next renewal, or give it back."""
    try:
        plan = actions.leave_request(actor, ident, request.POST.get("csr", ""))
    except ChanceryError as error:
        messages.error(request, f"{error} {error.remedy}".strip())
    else:
        kept = _("It will be renewed by that request.")
        messages.success(request, kept if plan.csr else _("The request that was left is gone."))
    return redirect("certificate", ident)
