"""What doors send: read into a model, and refused by field where it does not fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from chancery.core.errors import Invalid, Problem
from chancery.core.wrong import sentence
from chancery.net.addresses import openable

M = TypeVar("M", bound=BaseModel)


def parsed(model: type[M], values: dict[str, Any], *, deep: bool = False) -> M:
    """Return the values as a model; raises `Invalid`, by field, and with `deep` by the place within it. No input is quoted."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_input=False)
    places = [".".join(map(str, e["loc"])) if deep else str(e["loc"][0]) for e in found]
    raise Invalid(
        [Problem(at, sentence(e), "Correct the field.", e["type"]) for at, e in zip(places, found, strict=True)]
    )


def networks(given: Iterable[str], field: str = "allowed_networks") -> list[str]:
    """Return private networks that may be opened; raises `Invalid` on `field`. Empty lines are none."""
    try:
        return [openable(text.strip()) for text in given if text.strip()]
    except ValueError as error:
        raise Invalid.one(field, f"{error}.", "Write networks as 10.1.0.0/16, one a line.") from None
