"""What is weak about the connectors that somebody may see, and what was decided about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Count, Max

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors.models import Connector
from chancery.apps.health.ages import credential_since
from chancery.apps.inventory.models import Finding as Difference
from chancery.apps.inventory.models import Pull, PullState
from chancery.apps.posture.models import Decision, Print
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import one_of
from chancery.apps.shared.scope import visible
from chancery.core.errors import Absent
from chancery.core.inventory import FindingKind
from chancery.core.posture import Facts, Finding, Kind, Level, Limits, findings
from chancery.sdk.authority import Descriptor

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

STATES = ("open", "decided", "all")
COMPARE_DAYS = 35
_ACCOUNTS = ("username", "client_id", "subscriber_id", "account_number", "eab_key_id")
"""Fields of connectors that say as whom one logs in, and are no secret."""


@dataclass(frozen=True)
class Shown:
    """A finding with the connectors that it is about, and what was decided; `decided` says that it still holds."""

    finding: Finding
    connectors: list[Connector]
    decision: Decision | None
    decided: bool
    enforced: bool


def listing(actor: Actor, *, state: str = "open", kind: str = "", level: str = "") -> list[Shown]:
    """Return the findings about connectors that the actor may see, the weightiest first."""
    one_of("state", state, STATES)
    one_of("kind", kind, tuple(Kind))
    one_of("level", level, tuple(Level))
    rows = {str(row.pk): row for row in _connectors(actor)}
    found = findings(facts(rows.values()), limits())
    decisions = Decision.objects.in_bulk([one.key for one in found])
    today = current_clock().now().date()
    shown = []
    for one in found:
        decision = decisions.get(one.key)
        decided = decision is not None and decision.until is not None and decision.until > today
        if (kind and one.kind != kind) or (level and one.level != level) or (state, decided) in _HIDDEN:
            continue
        shown.append(Shown(one, [rows[i] for i in one.about], decision, decided, one.kind in settings.POSTURE_ENFORCED))
    return shown


_HIDDEN = {("open", True), ("decided", False)}


def get(actor: Actor, key: str) -> Shown:
    """Return one finding that holds and that the actor may see, or raise `Absent`."""
    found = next((one for one in listing(actor, state="all") if one.finding.key == key), None)
    if found is None:
        raise Absent("finding", key)
    return found


def serious(actor: Actor) -> int:
    """Return how many serious findings are open."""
    return len(listing(actor, level=Level.SERIOUS)) if actor.may(Permission.POSTURE_VIEW) else 0


def limits() -> Limits:
    """Return what this installation asks for."""
    return Limits(settings.CREDENTIAL_DAYS, COMPARE_DAYS, current_clock().now(), settings.EGRESS_ADDRESSES)


def _connectors(actor: Actor) -> Iterable[Connector]:
    rows = visible(Connector.objects.filter(deleted_at=None), actor, Permission.POSTURE_VIEW)
    return rows.select_related("current", "team", "environment").order_by("authority", "name_key")


def facts(rows: Iterable[Connector]) -> list[Facts]:
    """Return what is known of connectors, in a handful of queries however many they are."""
    known = list(rows)
    ids = [row.pk for row in known]
    prints: dict[Any, list[tuple[str, str]]] = {}
    for version, field, value in Print.objects.filter(version__in=[r.current_id for r in known]).values_list(
        "version", "field", "value"
    ):
        prints.setdefault(version, []).append((field, value))
    pulls = Pull.objects.filter(connector__in=ids, state=PullState.DONE).order_by().values_list("connector")
    compared = dict(pulls.annotate(last=Max("finished_at")))
    open_ = Difference.objects.filter(connector__in=ids, kind=FindingKind.AT_CA_ONLY, state="open").order_by()
    unknown = dict(open_.values_list("connector").annotate(n=Count("pk")))
    since, now = credential_since(known), current_clock().now()
    return [
        fact(
            row,
            prints=tuple(sorted(prints.get(row.current_id, ()))),
            credential_days=(now - since[row.pk]).days if row.pk in since else 0,
            compared_at=compared.get(row.pk),
            unknown=unknown.get(row.pk, 0),
        )
        for row in known
    ]


def fact(row: Connector, **measured: Any) -> Facts:
    """Return what a connector's own row says of it, and what was measured."""
    version, about = row.current, _descriptor(row.authority)
    values = version.settings if version is not None else {}
    places = dict(about.base_urls) if about is not None else {}
    return Facts(
        id=str(row.pk),
        authority=row.authority,
        name=row.name,
        team=row.team.name,
        environment=row.environment.name,
        production=row.environment.is_production,
        base_url=row.base_url,
        place=places.get(row.base_url, ""),
        active=row.usable,
        outside=about is None or about.outside,
        accounts=tuple(str(values[n]) for n in _ACCOUNTS if values.get(n)),
        lists=about is not None and "lists" in about.powers,
        networks=tuple(version.allowed_networks) if version is not None else (),
        untested=version.untested_reason if version is not None else "",
        tested=version is not None and version.tested_at is not None,
        owner=row.owner or row.contact,
        **measured,
    )


def _descriptor(slug: str) -> Descriptor | None:
    try:
        return catalog.get(slug)
    except Absent:
        return None
