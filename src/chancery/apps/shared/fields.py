"""Column types that both databases treat alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    _Text = models.CharField[str, str]
else:
    _Text = models.CharField


class NameField(_Text):
    """Text sorted by code point on every database.

    PostgreSQL would sort by the cluster's language, in which *starts with* is no range of an index and one
    page's order is not the next server's. SQLite sorts so by itself.
    """

    def db_parameters(self, connection: Any) -> Any:
        """Return the column's type, with the collation where it has to be said."""
        found = super().db_parameters(connection)
        return {**found, "collation": "C"} if connection.vendor == "postgresql" else found
