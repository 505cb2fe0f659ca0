"""Reads a JSON body as a mapping, with a problem document instead of a trace."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest

from chancery.apps.shared.actor import Actor
from chancery.core.errors import Invalid

MAX_BODY = 20 * 1024 * 1024


def actor(request: HttpRequest) -> Actor:
    """Return who is calling; authentication has put it there."""
    found: Actor = request.auth  # type: ignore[attr-defined]  # set by the framework's authentication
    return found


def mapping(request: HttpRequest) -> dict[str, Any]:
    """Return the body as a JSON object."""
    try:
        found = json.loads(request.body or b"{}")
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
