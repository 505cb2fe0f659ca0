"""Flags of a CA type's own fields: made from what the server says of the type, so that an installed one needs no edit here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chancery.doors.cli import files
from chancery.doors.cli.output import Exit, show, stop
from chancery.doors.cli.rest import Rest

EXTRA = {"allow_extra_args": True, "ignore_unknown_options": True}
"""How a command lets flags through that are not its own."""


COMMON: dict[str, dict[str, Any]] = {
    "base_url": {"title": "Address of the CA", "description": "Empty takes the CA type's usual one, where it has one."},
    "allowed_networks": {"title": "Private networks that it may reach", "description": "By commas, as 10.1.0.0/16."},
    "proxy": {"title": "Proxy", "description": "http://host:port, if the CA is reached through one."},
    "trust_pem": {"title": "Trust bundle", "description": "PEM, for the CA's own TLS; @FILE reads it from a file."},
    "region": {"title": "Region"},
    "owner": {"title": "Owner"},
    "contact": {"title": "Contact"},
    "tags": {"title": "Tags", "description": "By commas."},
    "limit_seats": {
        "title": "Calls at once",
        "description": "Empty takes what the CA type declares.",
        "type": "integer",
    },
    "limit_rate": {"title": "Calls per second", "type": "number"},
    "limit_burst": {"title": "Calls at once after a rest", "type": "integer"},
    "description": {"title": "Description"},
}
"""Fields that connectors of every CA type have, beside name, team and environment."""


_OUTSIDE = {"base_url", "allowed_networks", "proxy", "trust_pem"}
"""What a CA type that reaches nothing outside has no use for."""


def authority(rest: Rest, slug: str) -> dict[str, Any]:
    """Return a CA type as the server describes it, or end the command."""
    found = next((a for a in rest.call("GET", "/authorities")["items"] if a["slug"] == slug), None)
    if found is None:
        stop(f"There is no CA type {slug!r}.", "`chancery authorities list` shows them.")
    return dict(found)


def given(kind: dict[str, Any], extra: list[str], part: str = "config") -> dict[str, Any]:
    """Return the fields that flags give: `--organization-id 7`, `--skip-approval`, `--api-key @file` for a secret."""
    fields = {**(COMMON if part == "config" else {}), **kind[part].get("properties", {})}
    found: dict[str, Any] = {}
    words = iter(extra)
    for word in words:
        flag, equals, value = word.partition("=")
        name, on = _name(flag, fields)
        if name not in fields:
            stop(f"{kind['title']} has no flag {flag}.", f"Flags: {', '.join(sorted(_flags(fields)))}.", Exit.USAGE)
        if fields[name].get("type") == "boolean" and not equals:
            found[name] = on
            continue
        text = value if equals else next(words, None)
        if text is None or not on:
            stop(f"{flag}: a value belongs to it.", f"Write --{_dashed(name)} VALUE.", Exit.USAGE)
        found[name] = _value(text, flag, name, secret=part == "config" and name in kind["secrets"])
    return found


def show_fields(kind: dict[str, Any], as_json: bool) -> None:
    """Print the flags of a CA type."""
    rows = list(_rows(kind))
    show(rows, ("flag", "value", "default", "about"), rows, as_json)


def _rows(kind: dict[str, Any]) -> Iterator[dict[str, Any]]:
    schema = kind["config"]
    common = {name: COMMON[name] for name in COMMON if kind["needs_base_url"] or name not in _OUTSIDE}
    for name, info in {**common, **schema.get("properties", {})}.items():
        switch, choices = info.get("type") == "boolean", [c for c in info.get("choices") or {} if c]
        value = (
            "" if switch else "@FILE" if name in kind["secrets"] else " | ".join(choices) or info.get("type", "text")
        )
        default = info.get("default")
        about = ": ".join(t for t in (info.get("title"), info.get("description")) if t)
        yield {
            "flag": f"--[no-]{_dashed(name)}" if switch else f"--{_dashed(name)}",
            "value": value,
            "default": "required" if name in schema.get("required", []) else default,
            "about": about,
        }


def _flags(fields: dict[str, Any]) -> Iterator[str]:
    return (f"--{_dashed(name)}" for name in fields)


def _name(flag: str, fields: dict[str, Any]) -> tuple[str, bool]:
    """Return the field of a flag, and whether it is said with yes (`--no-x` says no)."""
    name = flag.removeprefix("--").replace("-", "_") if flag.startswith("--") else ""
    if name not in fields and name.startswith("no_"):
        return name.removeprefix("no_"), False
    return name, True


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _value(text: str, flag: str, name: str, *, secret: bool) -> str:
    if name == "trust_pem" and text.startswith("@"):
        return files.text(Path(text[1:]), flag)
    if not secret:
        return text
    if not text.startswith("@"):
        stop(
            f"{flag}: secrets are read from files.",
            f"Write {flag} @path (a command line is seen by others).",
            Exit.USAGE,
        )
    return files.secret(Path(text[1:]), flag)
