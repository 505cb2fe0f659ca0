"""Where sealed values stand: every table and column, so that counting and changing keys forget none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps

VERSION_TABLE = "connector_version"
CHANGE_TABLE = "credential_change"
CALL_TABLE = "call"
CHANNEL_TABLE = "notice_channel"
CHANNEL_FIELD = "url"
FACTOR_TABLE, FACTOR_FIELD = "factor", "secret"
PROPOSAL_TABLE = "proposal"
PROVIDER_TABLE, PROVIDER_FIELD = "provider", "client_secret"
ACME_TABLE, ACME_FIELD = "acme_credential", "mac"
WEBHOOK_TABLE = "webhook"
PRINT_TABLE = "print_key"
"""The names that values are bound to; they stay what they are, whatever the tables are called."""
Values = dict[str, dict[str, Any]]
"""Field name → sealed value, each the very object that the column holds."""


@dataclass(frozen=True)
class Place:
    """One column. `values` finds the sealed values in what it holds."""

    model: str
    column: str
    table: str
    values: Callable[[dict[str, Any]], Values]

    @property
    def rows(self) -> Any:
        """Return the rows that hold anything."""
        return apps.get_model(self.model)._default_manager.exclude(**{self.column: {}})


def _inner(column: dict[str, Any]) -> Values:
    found: Values = column.get("secrets", {})
    return found


def _factor(column: dict[str, Any]) -> Values:
    # Of the second factors only one that computes codes has a secret that must be read again.
    return {FACTOR_FIELD: column[FACTOR_FIELD]} if FACTOR_FIELD in column else {}


PLACES = (
    Place("connectors.ConnectorVersion", "secrets", VERSION_TABLE, lambda column: column),
    Place("connectors.CredentialChange", "sealed", CHANGE_TABLE, lambda column: column),
    Place("connectors.Call", "sealed", CALL_TABLE, _inner),
    Place("notices.Channel", "sealed", CHANNEL_TABLE, lambda column: {CHANNEL_FIELD: column}),
    Place("changes.Change", "sealed", PROPOSAL_TABLE, lambda column: column),
    Place("accounts.Provider", "sealed", PROVIDER_TABLE, lambda column: {PROVIDER_FIELD: column}),
    Place("mfa.Authenticator", "data", FACTOR_TABLE, _factor),
    Place("posture.PrintKey", "sealed", PRINT_TABLE, lambda column: column),
    Place("acme.Credential", "sealed", ACME_TABLE, lambda column: {ACME_FIELD: column}),
    Place("webhooks.Webhook", "sealed", WEBHOOK_TABLE, lambda column: column),
)


def key_ids() -> Iterator[str]:
    """Yield the id of the key of each sealed value."""
    for place in PLACES:
        for column in place.rows.values_list(place.column, flat=True).iterator():
            yield from (str(value.get("kid")) for value in place.values(column).values())
