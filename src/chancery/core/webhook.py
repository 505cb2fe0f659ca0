"""What a program is told, and how it knows that it was us: the Standard Webhooks scheme (its specification, version 1.0.0).

A message has the headers *webhook-id*, *webhook-timestamp* (seconds since 1970) and *webhook-signature*: `v1,` and the
Base64 of HMAC-SHA256 over `id.timestamp.body`, one for each secret in force, with a blank between.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chancery.core.secret import Secret

_PREFIX = "whsec_"
_BYTES = 32
KINDS = ("order", "certificate", "key_report", "connector", "profile", "bot", "target", "deployment", "pull", "finding")
"""Kinds of things that are told of; people, tokens and the like are none of a program's business."""
TEST = "webhook.test"
_PATTERN = re.compile(r"(?P<kind>[a-z_]+)\.(\*|[a-z_]+)")


def new_secret(octets: bytes) -> Secret:
    """Return a secret as people paste it, of 32 random octets."""
    if len(octets) != _BYTES:
        raise ValueError("a secret has 32 octets")
    return Secret(_PREFIX + base64.b64encode(octets).decode())


def headers(secrets: Iterable[Secret], ident: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of a message, signed by every secret in force."""
    seconds = int(at.timestamp())
    signed = b".".join([ident.encode(), str(seconds).encode(), body])
    signatures = " ".join(f"v1,{_mac(secret, signed)}" for secret in secrets)
    return {
        "Content-Type": "application/json",
        "webhook-id": ident,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signatures,
    }


def _mac(secret: Secret, signed: bytes) -> str:
    key = base64.b64decode(secret.reveal().removeprefix(_PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def event(entry: Mapping[str, Any]) -> str:
    """Return the name of what an audit entry tells, '' for what no program is told of."""
    kind = str(entry["target"]["kind"])
    if kind not in KINDS or entry["outcome"] != "done":
        return ""
    detail = entry["detail"]
    word = detail.get("state") if kind == "order" else detail.get("revocation") if kind == "certificate" else None
    return f"{kind}.{word or str(entry['action']).rpartition('.')[2]}"


def wants(events: Iterable[str], name: str) -> bool:
    """Say whether a program that asked for `events` (none: all) is told of one."""
    asked = list(events)
    return not asked or name in asked or f"{name.partition('.')[0]}.*" in asked


def is_pattern(text: str) -> bool:
    """Say whether a text names an event, or all of a kind."""
    found = _PATTERN.fullmatch(text)
    return found is not None and found["kind"] in KINDS


def message(name: str, entry: Mapping[str, Any], index: int, link: str) -> bytes:
    """Return the body of a message. Who did it is not in it: that is about persons, and stands in the record."""
    target = entry["target"]
    data = {
        "index": index,
        "action": entry["action"],
        "kind": target["kind"],
        "id": target["id"],
        "name": target.get("name", ""),
        "changed": entry["changed"],
        "detail": entry["detail"],
        "via": entry["via"],
        "link": link,
    }
    return _json({"type": name, "timestamp": entry["at"], "data": data})


def test_message(at: datetime, name: str) -> bytes:
    """Return the body of a test."""
    return _json({"type": TEST, "timestamp": at.isoformat(), "data": {"name": name}})


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
