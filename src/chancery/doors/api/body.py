"""Reads a JSON body as a mapping, with a problem document instead of a trace."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from ninja.errors import HttpError

from chancery.apps.shared.actor import Actor
from chancery.core.errors import Invalid

_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""Only an escape can bring such a character in: raw, JSON and UTF-8 forbid them. So most bodies are not walked."""
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")


def actor(request: HttpRequest) -> Actor:
    """Return who is calling; authentication has put it there."""
    for name, value in (
        ("path", request.path),
        ("query", unquote(request.META.get("QUERY_STRING", ""))),
        ("Idempotency-Key", request.headers.get("Idempotency-Key", "")),
    ):
        _storable(name, value)
    found: Actor = request.auth  # type: ignore[attr-defined]  # set by the framework's authentication
    return found


def _storable(name: str, value: str) -> None:
    # PostgreSQL's text holds no NUL, and a lone half of a surrogate pair has no UTF-8.
    if _UNSTORABLE.search(value):
        raise Invalid.one(name, "It holds a NUL or half a character.", "Send plain text in UTF-8.", "characters")


def _check(found: object, path: str) -> None:
    if isinstance(found, str):
        _storable(path or "body", found)
    elif isinstance(found, dict):
        for name, value in found.items():
            _storable(path or "body", name)
            _check(value, f"{path}.{name}"[:200].lstrip("."))
    elif isinstance(found, list):
        for index, value in enumerate(found):
            _check(value, f"{path}[{index}]"[:200])


def mapping(request: HttpRequest) -> dict[str, Any]:
    """Return the body as a JSON object."""
    try:
        found = json.loads(request.body or b"{}")
        if _SUSPECT.search(request.body):
            _check(found, "")
    except RequestDataTooBig:
        raise HttpError(413, "The body is larger than this server reads; split it.") from None
    except (ValueError, RecursionError):
        raise Invalid.one("body", "The body is no JSON.", "Send a JSON object.", "json") from None
    if not isinstance(found, dict):
        raise Invalid.one("body", "The body is no JSON object.", "Send a JSON object.", "json")
    return found


def text(values: dict[str, Any], name: str, default: str = "") -> str:
    """Return a text field."""
    found = values.get(name, default)
    if not isinstance(found, str):
        raise Invalid.one(name, "This must be text.", "Send a string.", "type")
    return found


def integer(values: dict[str, Any], name: str, default: int | None = None) -> int | None:
    """Return a whole number, or None where it is absent."""
    found = values.get(name, default)
    if found is not None and (not isinstance(found, int) or isinstance(found, bool)):
        raise Invalid.one(name, "This must be a whole number.", "Send a number.", "type")
    return found
