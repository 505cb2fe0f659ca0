"""Takes texts of people: what a table refuses, or what is too long, is refused here by the field's name.

PostgreSQL takes no NUL and neither database a lone surrogate; other control characters only hide things on a page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from chancery.core.errors import Invalid, Problem

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
MOST = 250_000
"""Characters of any text at all; the longest that there is, a bundle of trusted certificates, has 200 000."""
_PROBLEM_NAME = Problem("fields", "A field's name holds a control character.", "Leave it out.", "characters")
MOST_FOLDED = 360
"""Characters of a folded name: few letters become several, and an index of PostgreSQL takes 2 700 bytes."""
_BREAK = re.compile("[\t\n\r]")
_HIDING = re.compile("[\x80-\x9f\u200b\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""What turns the direction of a line, breaks it, or has no width: with it a name passes for another. Joiners stay, which
some scripts cannot be written without."""


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
        raise Invalid([_too_long(field, len(text), most)])
    if _UNFIT.search(text) or (not lines and _BREAK.search(text)):
        raise Invalid.one(field, "This holds a line break or a control character.", "Type it in anew.", "characters")
    if not lines and _HIDING.search(text):
        raise Invalid.one(field, "This holds a character that cannot be seen.", "Type it in anew.", "characters")
    return text


def glimpse(text: str, most: int) -> str:
    """Return the beginning of a text that was not taken, without what a table or a page could not bear."""
    seen = _BREAK.sub(" ", _UNFIT.sub("", text)).strip()
    return seen if len(seen) <= most else f"{seen[:most]}…"


def fold(text: str) -> str:
    """Return what two names have in common that a reader takes for the same: without capitals, widths and ligatures.

    NFKC with case folding, as Unicode has it for identifiers (UAX 31), so that *Local CA* is *local ca*.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def clean_folded(field: str, value: object, most: int, *, wanted: str = "") -> str:
    """Return a text as `clean` does; its folded form, by which rows are found and sorted, has a limit of its own."""
    text = clean(field, value, most, wanted=wanted)
    if len(fold(text)) > MOST_FOLDED:
        message = "Some of its letters stand for so many others that it cannot be sorted."
        raise Invalid.one(field, message, "Write it with plain letters.", "too_long")
    return text


def unfit(values: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each field that holds, at any depth, a character that a table refuses."""
    return [
        Problem(str(name)[:60], "This holds a control character.", "Type it in anew.", "characters")
        for name, value in values.items()
        if _is_unfit(value)
    ]


def check(values: Mapping[str, Any]) -> None:
    """Raise `Invalid` with every field that no table could hold: by its characters, or by its length.

    This is the common entry of all actions: whatever a field's own rules are, nothing worse gets as far as those.
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat.update(value if isinstance(value, Mapping) else {name: value})
    problems = unfit(flat)
    problems += [_PROBLEM_NAME for name in flat if _is_unfit(name)]
    problems += [_too_long(name, len(v), MOST) for name, v in flat.items() if isinstance(v, str) and len(v) > MOST]
    if problems:
        raise Invalid(problems)


def _too_long(field: object, length: int, most: int) -> Problem:
    return Problem(str(field)[:60], f"This has {length} characters; {most} is the most.", "Shorten it.", "too_long")


def _is_unfit(value: Any) -> bool:
    if isinstance(value, str):
        return _UNFIT.search(value) is not None
    if isinstance(value, dict):
        return any(_is_unfit(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(_is_unfit(part) for part in value)


def moment(text: str, field: str) -> datetime | None:
    """Return a moment as ISO 8601 has it with its zone, None for nothing; raises `Invalid` on `field`."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # None at all, or in UTC before the first year or after the last one.
    raise Invalid.one(field, f"{text[:40]!r} is no moment with a zone.", "Write it as 2030-01-31T22:00:00Z.")
