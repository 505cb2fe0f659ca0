"""Turns the refusal of a unique index into an answer, also where two people took the same name at the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from chancery.core.errors import Invalid


@contextmanager
def name_taken(message: str, remedy: str = "Choose another name.", *, field: str = "name") -> Iterator[None]:
    """Raise `Invalid` (code *taken*) where a row saved inside meets a unique index; the transaction lives on."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise Invalid.one(field, message, remedy, "taken") from None
