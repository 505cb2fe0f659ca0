"""Reads what a request brings: who calls, the body, the address. Whatever cannot be used is refused by name."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn
from urllib.parse import unquote

from django.http import HttpRequest
from ninja.parser import Parser
from pydantic import ValidationError

from chancery.apps.shared.actor import Actor
from chancery.core.errors import Invalid, Problem
from chancery.core.wrong import sentence
from chancery.doors.problems import Refusal

_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""Only an escape can bring such a character in: raw, JSON and UTF-8 forbid them. So most bodies are not walked."""
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
_UNADDRESSABLE = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")
_LONGEST = 8192
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_KEY = "HTTP_IDEMPOTENCY_KEY"
_HALF = "It holds a NUL or half a character."
_NUMBER, _OBJECT, _BOOLEAN = "Send a number.", "Send a JSON object.", "Send true or false."
_REMEDIES = {
    "missing": "Send it; the API description says what it is.",
    "extra_forbidden": "Leave it out; the API description lists the fields.",
    "string_type": "Send a string.",
    "int_type": _NUMBER,
    "int_from_float": _NUMBER,
    "int_parsing": _NUMBER,
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "list_type": "Send a JSON array.",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "too_short": "Send more of them.",
    "too_long": "Send fewer of them at once.",
}


class Reader(Parser):
    """Reads bodies for the framework, which hands refusals on as the cause of its own."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body's JSON, or raise a refusal."""
        kind = request.content_type or ""
        if kind != "application/json" and not kind.endswith("+json"):
            shown = f"{kind[:80]!r} is no JSON." if kind else "The request does not say what its body is."
            raise Refusal(415, "content_type", "Content-Type", shown, "Send JSON with Content-Type: application/json.")
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.lower() not in {"utf-8", "utf8"}:
            shown = f"JSON in {charset[:40]!r} is not read."
            raise Refusal(415, "charset", "Content-Type", shown, "Send JSON in UTF-8 (RFC 8259 section 8.1).")
        body = request.body
        try:
            # Not the bytes: json would guess other encodings, and let half characters through in UTF-8.
            found = json.loads(body.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            raise Invalid.one("body", "The body is no JSON.", "Send a JSON object in UTF-8.", "json") from None
        if _SUSPECT.search(body):
            _check(found, "")
        return found


def actor(request: HttpRequest) -> Actor:
    """Return who is calling; authentication has put it there."""
    found: Actor = request.auth  # type: ignore[attr-defined]  # set by the framework's authentication
    return found


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the header's key, with or without the quotes that the draft's syntax has, None where there is none."""
    text: str | None = request.META.get(_KEY)
    quoted = _QUOTED.fullmatch(text.strip()) if text is not None else None
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text


def check_address(request: HttpRequest) -> None:
    """Refuse an address or key that no table can hold."""
    for name, value in (
        ("path", request.path),
        ("query", unquote(request.META.get("QUERY_STRING", ""))),
        ("Idempotency-Key", request.META.get(_KEY, "")),
    ):
        if _UNADDRESSABLE.search(value):
            raise Refusal(400, "characters", name, "It holds a control character.", "Send plain text in UTF-8.")
        if len(value) > _LONGEST:
            raise Refusal(400, "too_long", name, f"It has more than {_LONGEST} characters.", "Shorten it.")


def errors_of(errors: list[Any]) -> Invalid:
    """Return what a model found wrong, field by field, as one refusal."""
    return Invalid([_problem(e) for e in errors])


def errors_of_item(error: ValidationError) -> Invalid:
    """Return what is wrong with one item of a batch."""
    return errors_of([dict(e) for e in error.errors(include_input=False, include_url=False)])


def _problem(error: dict[str, Any]) -> Problem:
    place = list(error["loc"])
    # The framework puts the source and its own argument's name before the field's.
    place = place[1:] if place[:1] in (["query"], ["path"], ["header"]) else place
    place = place[2:] if place[:2] == ["body", "body"] else place
    field = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).lstrip(".") or "body"
    return Problem(field[:200], sentence(error), _REMEDIES.get(error["type"], "Correct it."), error["type"])


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 8259 section 4 leaves open which of two counts; nobody should have to guess what was ordered.
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        _storable("body", twice)
        raise Invalid.one(twice[:200], "This is given twice.", "Send each name of an object once.", "twice")
    return found


def _storable(name: str, value: str) -> None:
    # PostgreSQL's text holds no NUL, and a lone half of a surrogate pair has no UTF-8.
    if _UNSTORABLE.search(value):
        raise Invalid.one(name, _HALF, "Send plain text in UTF-8.", "characters")


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
