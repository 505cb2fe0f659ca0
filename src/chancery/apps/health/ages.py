"""How old a connector's credential is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Min

from chancery.apps.connectors.models import Connector, ConnectorVersion


def credential_since(rows: Iterable[Connector]) -> dict[UUID, datetime]:
    """Return connector → when its credential, or the address that it is for, was entered as it is now.

    Versions share their `account` as long as neither changes, so the first of them with the present one tells.
    """
    accounts = {row.current.account for row in rows if row.current is not None}
    found = ConnectorVersion.objects.filter(connector__in=[r.pk for r in rows], account__in=accounts)
    return dict(found.order_by().values_list("connector").annotate(since=Min("created_at")))
