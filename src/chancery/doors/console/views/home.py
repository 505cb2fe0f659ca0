"""Home: what needs a person now, and the figures of the whole."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from chancery.apps.bots import queries as bots
from chancery.apps.certificates import queries as certificates
from chancery.apps.changes import queries as changes
from chancery.apps.connectors import credentials
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Health
from chancery.apps.health.overview import overview
from chancery.apps.inventory import queries as inventory
from chancery.apps.orders import queries
from chancery.apps.posture import queries as posture
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.doors.console.charts import Series, stacked
from chancery.doors.console.views.base import page, show


@page
def home(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what needs a person now."""
    sick = connectors.visible_to(actor).filter(status="active").exclude(health__in=[Health.HEALTHY, Health.UNKNOWN])
    context = {
        "waiting": queries.waiting_for_people(actor),
        "held": queries.held(actor),
        "changes": changes.waiting(actor),
        "asked_again": queries.asked_again(actor, current_clock().now())[:20],
        "findings": inventory.waiting(actor),
        "sick": sick[:20],
        "credentials": credentials.reminders(actor, current_clock().now()),
        "serious": posture.serious(actor),
        "bots": bots.listing(actor, status="failed", size=10),
        "worker": connectors.worker_alive(current_clock().now()),
        "expiring": certificates.listing(actor, status="expiring", size=10),
        "recent": queries.listing(actor, size=10),
    }
    return show(request, actor, "home", context)


@page
def figures(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the figures of the whole, in charts with a table behind each; home fetches the same in part."""
    found = overview(actor)
    weeks = found.forecast.starts
    context = {
        "found": found,
        "days": list(zip(found.days, found.issued, strict=True)),
        "weeks": list(zip(weeks, found.expiring, found.forecast.weeks, strict=True)),
        "tight": [load for load in found.forecast.loads if load.tight],
        "issued": stacked(_("Certificates issued, by day"), [Series(_("issued"), "good", found.issued)]),
        "expiring": stacked(_("Certificates that end, by week"), [Series(_("end"), "high", found.expiring)]),
        "renewing": stacked(_("Renewals, by week"), [Series(_("renewals"), "plain", found.forecast.weeks)]),
    }
    return show(request, actor, "overview_part" if request.headers.get("HX-Request") else "overview", context)
