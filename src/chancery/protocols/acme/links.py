"""Link headers (RFC 8288): the addresses that stand in an answer's headers in a given relation to it."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from chancery.sdk.answer import Answer

_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def link(answer: Answer, base: str, relation: str) -> list[str]:
    """Return the targets of an answer's links of one relation, as absolute addresses; what is no link is passed over.

    Several header fields of the name arrive joined by commas (RFC 9110 section 5.3).
    """
    found = []
    for whole in _split(answer.headers.get("link", ""), ","):
        target, *parameters = (part.strip() for part in _split(whole, ";"))
        if len(target) > 1 and target[0] == "<" and target[-1] == ">" and relation.lower() in _relations(parameters):
            found += _absolute(base, target[1:-1].strip())
    return found


def _relations(parameters: list[str]) -> list[str]:
    """Return the relations that the first `rel` lists; later ones do not count (RFC 8288 section 3.3)."""
    for one in parameters:
        name, _, value = (part.strip() for part in one.partition("="))
        if name.lower() == "rel":
            text = _QUOTED_PAIR.sub(r"\1", value[1:-1]) if len(value) > 1 and value[0] == value[-1] == '"' else value
            return text.lower().split()
    return []


def _absolute(base: str, target: str) -> list[str]:
    try:
        return [urljoin(base, target)]
    except ValueError:  # such as a bracket that is never closed
        return []


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark that stands neither in an address nor in a quoted string; one pass, however odd the text."""
    parts, start, closing, escaped = [], 0, "", False
    for at, char in enumerate(text):
        if escaped:
            escaped = False
        elif closing:
            escaped = char == "\\" and closing == '"'
            closing = "" if char == closing else closing
        elif char == '"' or (char == "<" and not text[start:at].strip(" \t")):
            closing = '"' if char == '"' else ">"
        elif char == mark:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
