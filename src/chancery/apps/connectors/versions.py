"""A connector's settings in force: its version, its secrets, where they are sent, and what an edit changes of that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chancery import catalog
from chancery.apps.connectors import configure as fields
from chancery.apps.connectors import ring, sealing
from chancery.apps.connectors.configure import Configured
from chancery.apps.connectors.models import Connector, ConnectorVersion, CredentialChange
from chancery.apps.connectors.sealed import CHANGE_TABLE, VERSION_TABLE
from chancery.core.errors import Absent, Invalid, Problem
from chancery.core.secret import Secret
from chancery.sdk.config import destination_names, staying_names


def current(connector: Connector) -> ConnectorVersion:
    """Return the version in force."""
    if connector.current is None:
        raise Absent("connector version", connector.pk)
    return connector.current


def stored(version: ConnectorVersion) -> frozenset[str]:
    """Return the names of the secrets that are stored; one whose key was given up as lost is not there any more."""
    gone = ring.lost()
    return frozenset(name for name, sealed in version.secrets.items() if sealed.get("kid") not in gone)


def unsealed_version(version: ConnectorVersion, names: Iterable[str] | None = None) -> dict[str, Secret]:
    """Return a version's secrets, opened, or those of these names; for the engine and for the next version."""
    return {
        name: sealing.unseal(version.secrets[name], table=VERSION_TABLE, record=str(version.pk), field=name)
        for name in (version.secrets if names is None else names)
    }


def unsealed_change(change: CredentialChange) -> dict[str, Secret]:
    """Return what a rotation keeps, opened: the new credential while it is staged, the old one afterwards."""
    return {
        name: sealing.unseal(sealed, table=CHANGE_TABLE, record=str(change.pk), field=name)
        for name, sealed in change.sealed.items()
    }


def end_change(connector: Connector, at: datetime, by: str, outcome: str) -> None:
    """End a rotation that is under way, and erase what it keeps: it was given for another address or was replaced."""
    change = CredentialChange.objects.filter(connector=connector, ended_at=None)
    change.update(sealed={}, ended_at=at, ended_by=by, outcome=outcome)


def destination(connector: Connector, version: ConnectorVersion) -> dict[str, Any]:
    """Return every value of a version that decides where secrets are sent."""
    config = catalog.get(connector.authority).config
    # A version from before a field was added goes by the field's default, as the engine has it.
    known = config.upgrade(version.schema, version.settings)
    own = {name: known.get(name, config.model_fields[name].default) for name in sorted(destination_names(config))}
    return {**{name: getattr(version, name) for name in fields.WHERE}, **own}


def kept(connector: Connector, version: ConnectorVersion, *, moved: bool) -> dict[str, Secret]:
    """Return the stored secrets that go on; to another address only those that are never sent."""
    staying = staying_names(catalog.get(connector.authority).config)
    return unsealed_version(version, [name for name in sorted(stored(version)) if not moved or name in staying])


def demand_secrets(connector: Connector, stored: frozenset[str], configured: Configured) -> None:
    """Refuse new settings for another address or trust without every secret that would be sent there."""
    missing = sorted(stored - set(configured.secrets) - staying_names(catalog.get(connector.authority).config))
    if missing:
        text = "The address or trust that this secret is sent to changed, so the stored one was not carried over."
        raise Invalid([Problem(n, text, "Enter it again.", "secret_needed") for n in missing])


def differs(before: ConnectorVersion, after: Configured) -> bool:
    """Say whether an edit changes anything that a test looks at."""
    where = {name: getattr(before, name) for name in fields.WHERE}
    return bool(after.secrets) or where != after.where or before.settings != after.settings
