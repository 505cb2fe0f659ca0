"""Takes texts of people: what a table refuses, or what is too long, is refused here by the field's name.

PostgreSQL takes no NUL and neither database a lone surrogate; other control characters only hide things on a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chancery.core.errors import Invalid, Problem

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BREAK = re.compile("[\t\n\r]")


def clean(field: str, value: object, most: int, *, lines: bool = False, wanted: str = "") -> str:
    """Return `value` without outer blanks, at most `most` characters; `lines` lets it have more than one line.

    `wanted` is the remedy where it must not be empty. Raises `Invalid` on `field`; nothing is cut off silently.
    """
    if not isinstance(value, str):
        raise Invalid.one(field, "This is not text.", "Send a text.")
    text = value.strip()
    if wanted and not text:
        raise Invalid.one(field, "This is missing.", wanted, "missing")
    if len(text) > most:
        raise Invalid.one(field, f"This has {len(text)} characters; {most} is the most.", "Shorten it.", "too_long")
    if _UNFIT.search(text) or (not lines and _BREAK.search(text)):
        raise Invalid.one(field, "This holds a line break or a control character.", "Type it in anew.", "characters")
    return text


def unfit(values: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each field that holds, at any depth, a character that a table refuses."""
    return [
        Problem(str(name)[:60], "This holds a control character.", "Type it in anew.", "characters")
        for name, value in values.items()
        if _is_unfit(value)
    ]


def _is_unfit(value: Any) -> bool:
    if isinstance(value, str):
        return _UNFIT.search(value) is not None
    if isinstance(value, dict):
        return any(_is_unfit(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(_is_unfit(part) for part in value)
