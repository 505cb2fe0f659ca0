"""Health over time, and renewals, over REST."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse

from chancery.apps.connectors import queries as connectors
from chancery.apps.health import queries as health
from chancery.apps.health.overview import overview
from chancery.apps.renewals import actions, queries
from chancery.apps.renewals.models import Plan
from chancery.core.errors import Absent
from chancery.doors.api import bodies, measured, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, linked

router = Routes(tags=["health"])
Answer = dict[str, Any]


@router.get("/connectors/{ident}/health", response=measured.History)
def history(request: HttpRequest, ident: parameters.Ident, span: parameters.Span = "day") -> Answer:
    """Show how a connector's calls went over a day, a week or a quarter, and what of it ages."""
    found = health.history(connectors.get(actor(request), ident), span)
    names = ("kind", "subject", "seconds", "until", "text", "error", "at")
    return {
        "span": found.span,
        "points": [_point(point) for point in found.points],
        "operations": [asdict(one) for one in found.operations],
        "vitals": [{n: getattr(vital, n) for n in names} for vital in found.vitals],
        "credential_since": found.credential_since,
    }


def _point(point: health.Point) -> Answer:
    names = ("start", "calls", "answered", "issued", "errors")
    return {**{n: getattr(point, n) for n in names}, "mean_seconds": point.mean, "p95_seconds": point.p95}


@router.get("/overview", response=measured.Overview)
def whole(request: HttpRequest) -> Answer:
    """Say how connectors are, which orders are on their way, how they end, what was issued, what ends and what is to be renewed."""
    found = overview(actor(request))
    return {
        "connectors": found.health,
        "orders": found.open,
        "ended": found.ended,
        "days": [{"day": day, "issued": n} for day, n in zip(found.days, found.issued, strict=True)],
        "starts": found.forecast.starts,
        "expiring": found.expiring,
        "renewals": found.forecast.weeks,
    }


@router.get("/renewals", response=measured.Plans, headers=("Link",))
def renewals(
    request: HttpRequest,
    response: HttpResponse,
    state: parameters.PlanState = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List what is to be renewed, the next first; or the renewals in a state."""
    found = queries.listing(actor(request), state=state, cursor=cursor, size=size)
    return linked(request, response, show.page(found, plan))


@router.get("/renewals/forecast", response=measured.Forecast)
def forecast(request: HttpRequest) -> Answer:
    """Say how many renewals each of the next thirteen weeks brings, against each connector's rate."""
    found = queries.forecast(actor(request))
    loads = [
        {
            "connector": str(load.connector.pk),
            "name": load.connector.name,
            "weeks": load.weeks,
            "capacity": load.capacity,
            "tight_weeks": load.tight,
        }
        for load in found.loads
    ]
    known = {"starts": found.starts, "weeks": found.weeks, "overdue": found.overdue}
    return {**known, "connectors": loads, "more": found.more}


@router.get("/certificates/{ident}/renewal", response=measured.Plan)
def renewal(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show when and how a certificate is renewed. A certificate has a plan some seconds after it was stored."""
    found = queries.of(actor(request), ident)
    if found is None:
        raise Absent("renewal", ident)
    return plan(found)


@router.put("/certificates/{ident}/next-request", response=measured.Plan, problems=(409,))
def leave_request(request: HttpRequest, ident: parameters.Ident, body: bodies.NextRequestIn) -> Answer:
    """Leave a request with a new key, by which the certificate is renewed when it is due; an empty one takes it back."""
    return plan(actions.leave_request(actor(request), ident, body.csr))


def plan(row: Plan) -> Answer:
    """Return a renewal."""
    names = ("state", "due_at", "text", "attempts", "hint_start", "hint_end")
    return {
        "certificate": str(row.pk),
        "common_name": row.certificate.common_name,
        "not_after": row.certificate.not_after,
        **{n: getattr(row, n) for n in names},
        "order": str(row.order_id or (row.order and row.order.pk) or "") or None,
        "hint_explanation": row.hint_url,
        "next_request_by": row.csr_by,
    }
