"""What a connector can do: its authority's descriptor, as it holds for the connector's own settings."""

from __future__ import annotations

from uuid import UUID

from chancery import catalog
from chancery.apps.connectors.models import Connector, ConnectorVersion
from chancery.sdk.authority import Descriptor


def descriptor_with(connector: Connector) -> Descriptor:
    """Return the descriptor for a connector whose `current` version is loaded already."""
    return catalog.get(connector.authority, None if connector.current is None else connector.current.settings)


def descriptor_of(authority: str, version: UUID | None) -> Descriptor:
    """Return the descriptor for a version of a connector. Its settings are read only where they matter."""
    if version is None or not catalog.narrows(authority):
        return catalog.get(authority)
    return catalog.get(authority, ConnectorVersion.objects.values_list("settings", flat=True).get(pk=version))
