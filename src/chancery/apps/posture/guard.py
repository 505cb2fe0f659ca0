"""Refuses what an installation has said it does not want: findings of enforced kinds, before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.db.models import QuerySet

from chancery.apps.connectors.models import Connector
from chancery.apps.posture import prints, queries, sharing
from chancery.apps.posture.models import Print
from chancery.core.errors import Conflict
from chancery.core.posture import Facts, Finding, Kind, findings
from chancery.core.secret import Secret

_NONE: Mapping[str, Secret] = {}


def refuse(connector: Connector, secrets: Mapping[str, Secret] = _NONE) -> None:
    """Raise `Conflict` where a connector as it now stands would be a finding of an enforced kind.

    `secrets` are those just given, which no worker has made fingerprints of yet.
    """
    if not settings.POSTURE_ENFORCED:
        return
    found = [one for one in _findings(connector, secrets) if one.kind in settings.POSTURE_ENFORCED]
    if found:
        text = f"This installation does not allow it. {found[0].text}"
        raise Conflict(text, remedy=found[0].remedy, code="posture")


def _findings(connector: Connector, secrets: Mapping[str, Secret]) -> list[Finding]:
    stored = Print.objects.filter(version=connector.current_id).values_list("field", "value")
    given = {name: prints.fingerprint(prints.key(), secret) for name, secret in secrets.items() if secret.reveal()}
    mine = queries.fact(connector, prints=tuple(sorted({**dict(stored), **given}.items())))
    others = queries.facts(_alike(connector, mine)) if Kind.SHARED_CREDENTIAL in settings.POSTURE_ENFORCED else []
    return [one for one in findings([mine, *others], queries.limits()) if mine.id in one.about]


def _alike(connector: Connector, mine: Facts) -> QuerySet[Connector]:
    """Return the first of the other connectors that have a credential of this one."""
    same = Print.objects.filter(value__in=[value for _field, value in mine.prints]).values("version")
    rows = Connector.objects.filter(deleted_at=None, current__in=same).exclude(pk=connector.pk)
    return rows.select_related("current", "team", "environment").order_by("pk")[: sharing.MEMBERS]
