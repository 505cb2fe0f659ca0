"""Keyed fingerprints of the secrets in force, kept instead of any of them.

A worker makes them, which opens secrets anyway; where shared credentials are refused, whatever saves or switches on does.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from datetime import datetime
from typing import Any

from chancery.apps.connectors import sealing
from chancery.apps.connectors.models import Connector, ConnectorVersion
from chancery.apps.connectors.sealed import PRINT_TABLE
from chancery.apps.connectors.versions import unsealed_version
from chancery.apps.posture.models import Print, PrintKey
from chancery.core.errors import ChanceryError
from chancery.core.secret import Secret

_AT_ONCE = 20
_HALF = 32
_FIELD = "key"


def take(now: datetime, state: dict[str, Any]) -> dict[str, Any]:
    """Make the fingerprints that are missing, some at a time; one that cannot be opened is left for its next version."""
    del now
    tried = set(state.get("tried", ()))
    rows = ConnectorVersion.objects.filter(
        pk__in=Connector.objects.filter(deleted_at=None).values("current"), prints__isnull=True
    )
    missing = [row for row in rows.exclude(secrets={}) if str(row.pk) not in tried][:_AT_ONCE]
    mine = key() if missing else b""
    for version in missing:
        if not make(version, mine):
            tried.add(str(version.pk))
    Print.objects.exclude(version__in=Connector.objects.filter(deleted_at=None).values("current")).delete()
    return {"tried": sorted(tried)[-1000:]}


def make(version: ConnectorVersion, key: bytes) -> bool:
    """Make the fingerprints of a version; False where it cannot be opened, or has none to make."""
    try:
        secrets = unsealed_version(version)
    except ChanceryError:
        return False
    made = [Print(version=version, field=n, value=fingerprint(key, s)) for n, s in secrets.items() if s.reveal()]
    Print.objects.bulk_create(made, ignore_conflicts=True)
    return bool(made)


def fingerprint(key: bytes, secret: Secret) -> str:
    """Return the fingerprint of a secret, the same wherever it is used."""
    return hmac.new(key, secret.reveal().encode(), hashlib.sha256).hexdigest()[:_HALF]


def key() -> bytes:
    """Return the key of all fingerprints; made where this is the first."""
    row = PrintKey.objects.filter(pk=1).first()
    if row is None:
        made = sealing.seal(os.urandom(32).hex(), table=PRINT_TABLE, record="1", field=_FIELD)
        row, _ = PrintKey.objects.get_or_create(pk=1, defaults={"sealed": {_FIELD: made}})
    return bytes.fromhex(sealing.unseal(row.sealed[_FIELD], table=PRINT_TABLE, record="1", field=_FIELD).reveal())
