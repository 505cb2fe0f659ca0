"""The processes of this installation, and which of them leads."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from chancery.apps.accounts.permissions import Permission
from chancery.apps.health import nodes
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.doors.console.views.base import page, require, show


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show every web and worker process that was seen within the last ten minutes."""
    require(actor, Permission.METRICS_VIEW)
    found = nodes.listing(current_clock().now())
    releases = {node.version for node in found if node.alive}
    return show(request, actor, "nodes", {"nodes": found, "mixed": len(releases) > 1})
