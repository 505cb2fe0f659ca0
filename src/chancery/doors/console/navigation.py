"""What stands beside every page: where one may go, and where one is."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.actor import Actor


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the navigation: its words, the name of its route, who sees it, and whether it is part of the one above."""

    label: str | Promise
    route: str
    permission: Permission | None = None
    part: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the navigation as one person sees it on one page."""

    label: str | Promise
    address: str
    part: bool
    current: bool


PLACES = (
    Place(_("Integrations"), "ca_types"),
    Place(_("CA connectors"), "ca_types", part=True),
    Place(_("Pools"), "pools", Permission.POOL_VIEW, part=True),
    Place(_("Orders"), "orders"),
    Place(_("Profiles"), "profiles", part=True),
    Place(_("Certificates"), "certificates"),
    Place(_("Renewals"), "renewals", part=True),
    Place(_("Inventory"), "inventory", part=True),
    Place(_("Bots"), "bots"),
    Place(_("ACME clients"), "acme", Permission.ACME_VIEW),
    Place(_("Changes"), "changes", Permission.CHANGE_VIEW),
    Place(_("Posture"), "posture", Permission.POSTURE_VIEW),
    Place(_("Notices"), "notices", Permission.NOTICE_VIEW),
    Place(_("Webhooks"), "webhooks", Permission.WEBHOOK_VIEW, part=True),
    Place(_("Audit"), "audit", Permission.AUDIT_VIEW),
    Place(_("Nodes"), "nodes", Permission.METRICS_VIEW),
    Place(_("People"), "people", Permission.PEOPLE_VIEW),
    Place(_("API tokens"), "tokens", part=True),
)


def entries(actor: Actor, path: str) -> list[Entry]:
    """Return what somebody may go to; the one whose address is the longest beginning of `path` is where they are."""
    seen = [(place, _address(place.route)) for place in PLACES if not place.permission or actor.may(place.permission)]
    here = max((address for _place, address in seen if f"{path}/".startswith(f"{address}/")), key=len, default="")
    last = max((number for number, (_place, address) in enumerate(seen) if address == here), default=-1)
    return [Entry(place.label, address, place.part, number == last) for number, (place, address) in enumerate(seen)]


@functools.cache
def _address(route: str) -> str:
    return reverse(route)
