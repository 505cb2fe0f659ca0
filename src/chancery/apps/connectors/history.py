"""A connector's versions: what changed between two of them, and the way back to an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chancery import catalog
from chancery.apps.connectors import actions, queries
from chancery.apps.connectors import configure as fields
from chancery.apps.connectors.models import Connector, ConnectorVersion
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, Invalid
from chancery.sdk.config import secret_names

MOST = 200
_TITLES = {
    "base_url": "Base URL",
    "proxy": "Proxy",
    "trust_pem": "Trusted CA certificates",
    "allowed_networks": "Allowed networks",
}


@dataclass(frozen=True)
class Difference:
    """One field of two versions; of credentials only that they are others."""

    field: str
    title: str
    before: Any
    after: Any


def versions(connector: Connector) -> list[ConnectorVersion]:
    """Return the newest versions of a connector, the newest first."""
    return list(connector.versions.order_by("-number")[:MOST])


def version(connector: Connector, number: int) -> ConnectorVersion:
    """Return one version by its number."""
    found = connector.versions.filter(number=number).first()
    if found is None:
        raise Absent("version", number)
    return found


def difference(connector: Connector, old: int, new: int) -> list[Difference]:
    """Return the fields in which two versions differ. Secrets are never compared: that others were given is all."""
    before, after = version(connector, old), version(connector, new)
    config = catalog.get(connector.authority).config
    titles = {name: info.title or name for name, info in config.model_fields.items()} | _TITLES
    one, two = _settings(connector, before), _settings(connector, after)
    names = [*fields.WHERE, *(name for name in config.model_fields if name not in secret_names(config))]
    found = [Difference(n, titles[n], one.get(n), two.get(n)) for n in names if one.get(n) != two.get(n)]
    if before.account != after.account:
        found.append(Difference("credential", "Address or credential", "as it was then", "given anew"))
    return found


def values(connector: Connector, number: int) -> dict[str, Any]:
    """Return everything of a connector with the settings of an earlier version, as an edit takes it; no secrets."""
    common = {name: getattr(connector, name) for name in (*fields.TEXTS, *fields.LIMITS)}
    more = {"team": connector.team_id, "environment": connector.environment_id, "tags": connector.tags}
    return {**common, **more, **_settings(connector, version(connector, number))}


def roll_back(
    actor: Actor,
    ident: object,
    revision: int,
    number: int,
    secrets: Mapping[str, str],
    untested: str = "",
    not_before: datetime | None = None,
) -> Connector:
    """Edit a connector back to the settings of an earlier version, as a new version.

    Credentials are those in force; where the earlier version sends them elsewhere they must be given, as in every edit.
    """
    connector = queries.get(actor, ident)
    known = secret_names(catalog.get(connector.authority).config)
    for name in secrets:
        if name not in known:
            raise Invalid.one(
                name[:60], "This is no credential of this CA type.", f"They are: {', '.join(sorted(known))}."
            )
    whole = {**values(connector, number), **secrets}
    reason = untested or f"Back to version {number}."
    return actions.edit(actor, ident, revision, whole, untested=reason, not_before=not_before)


def _settings(connector: Connector, row: ConnectorVersion) -> dict[str, Any]:
    config = catalog.get(connector.authority).config
    return {**{name: getattr(row, name) for name in fields.WHERE}, **config.upgrade(row.schema, row.settings)}
