"""Home: what needs a person now."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from chancery.apps.bots import queries as bots
from chancery.apps.certificates import queries as certificates
from chancery.apps.connectors import credentials
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Health
from chancery.apps.inventory import queries as inventory
from chancery.apps.orders import queries
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.doors.console.views.base import page, show


@page
def home(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what needs a person now."""
    sick = connectors.visible_to(actor).filter(status="active").exclude(health__in=[Health.HEALTHY, Health.UNKNOWN])
    context = {
        "waiting": queries.waiting_for_people(actor),
        "held": queries.held(actor),
        "asked_again": queries.asked_again(actor, current_clock().now())[:20],
        "findings": inventory.waiting(actor),
        "sick": sick[:20],
        "credentials": credentials.reminders(actor, current_clock().now()),
        "bots": bots.listing(actor, status="failed", size=10),
        "worker": connectors.worker_alive(current_clock().now()),
        "expiring": certificates.listing(actor, status="expiring", size=10),
        "recent": queries.listing(actor, size=10),
    }
    return show(request, actor, "home", context)
