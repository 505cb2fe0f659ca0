"""Refuses what an installation has said it does not want: findings of enforced kinds, before anything is saved."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet

from chancery.apps.connectors.models import Connector
from chancery.apps.connectors.versions import current
from chancery.apps.posture import prints, queries, sharing
from chancery.apps.posture.models import Print
from chancery.core.errors import Conflict
from chancery.core.posture import Facts, Finding, Kind, findings


def refuse(connector: Connector) -> None:
    """Raise `Conflict` where a connector as it now stands would be a finding of an enforced kind."""
    if not settings.POSTURE_ENFORCED:
        return
    found = [one for one in _findings(connector) if one.kind in settings.POSTURE_ENFORCED]
    if found:
        text = f"This installation does not allow it. {found[0].text}"
        raise Conflict(text, remedy=found[0].remedy, code="posture")


def _findings(connector: Connector) -> list[Finding]:
    if Kind.SHARED_CREDENTIAL not in settings.POSTURE_ENFORCED:
        return findings([queries.fact(connector)], queries.limits())
    # Here and now: until a worker came by, the next connector with this credential would be let through.
    prints.make(current(connector), prints.key())
    stored = Print.objects.filter(version=connector.current_id).order_by("field")
    mine = queries.fact(connector, prints=tuple(stored.values_list("field", "value")))
    found = findings([mine, *queries.facts(_alike(connector, mine))], queries.limits())
    return [one for one in found if mine.id in one.about]


def _alike(connector: Connector, mine: Facts) -> QuerySet[Connector]:
    """Return the first of the other connectors that have a credential of this one."""
    same = Print.objects.filter(value__in=[value for _field, value in mine.prints]).values("version")
    rows = Connector.objects.filter(deleted_at=None, current__in=same).exclude(pk=connector.pk)
    return rows.select_related("current", "team", "environment").order_by("pk")[: sharing.MEMBERS]
