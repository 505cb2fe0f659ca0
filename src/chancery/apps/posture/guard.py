"""Refuses what an installation has said it does not want: findings of enforced kinds, before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from chancery.apps.connectors.models import Connector
from chancery.apps.posture import prints, queries
from chancery.apps.posture.models import Print
from chancery.core.errors import Conflict
from chancery.core.posture import Finding, Kind, findings
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
    others = []
    if Kind.SHARED_CREDENTIAL in settings.POSTURE_ENFORCED:
        rows = Connector.objects.filter(deleted_at=None).exclude(pk=connector.pk)
        others = queries.facts(rows.select_related("current", "team", "environment"))
    return [one for one in findings([mine, *others], queries.limits()) if mine.id in one.about]
