"""Column types that both databases treat alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from chancery.apps.shared.texts import MOST_FOLDED, fold

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


class FoldedField(NameField):
    """The folded form of another text of the row, made anew whenever the row is saved; searches and sorts go by it."""

    def __init__(self, source: str, **more: Any) -> None:
        self.source = source
        super().__init__(**{"max_length": MOST_FOLDED, "editable": False, "blank": True, "default": "", **more})

    def deconstruct(self) -> Any:
        """Return what a migration makes this field from."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "source": self.source}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: FBT001  the framework's own signature
        """Fold the source as it is now."""
        text = fold(getattr(model_instance, self.source))[: self.max_length]
        setattr(model_instance, self.attname, text)
        return text


def target_of(field: Any) -> Any:
    """Return the column that a reference points at, else the field itself."""
    while field.is_relation:
        field = field.target_field
    return field
