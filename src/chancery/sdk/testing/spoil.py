"""Answers that no authority may misread, whatever CA it speaks to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum

_HTML = {"Content-Type": "text/html"}
_JSON = {"Content-Type": "application/json"}
_HUGE = 8 * 1024 * 1024
_DEEP = 100_000


class How(StrEnum):
    """What happens to an answer."""

    REPLACED = "replaced"
    DROPPED = "dropped"
    CUT = "cut in half"
    SLICED = "cut after some bytes"
    HELD = "held back for ever"
    ECHOED = "replaced by what was asked, as some error pages do"
    OTHER_KEY = "its certificate replaced by one for another key"
    OTHER_NAME = "its certificate replaced by one for another name"


@dataclass(frozen=True)
class Spoil:
    """One way in which a call goes wrong between the CA and us."""

    name: str
    how: How = How.REPLACED
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(_JSON))
    body: bytes = b""
    at: int = 0
    noticed: bool = True

    def __str__(self) -> str:
        return self.name


def page(status: int) -> Spoil:
    """Return a web page instead of the API's answer, as a proxy or a maintenance window gives it."""
    more = {"Location": "https://elsewhere.example/maintenance"} if 300 <= status < 400 else {}
    body = b"<html><body><h1>Under maintenance</h1></body></html>"
    return Spoil(f"page with {status}", status=status, headers={**_HTML, **more}, body=body)


def said(status: int, document: object, **headers: str) -> Spoil:
    """Return a JSON answer."""
    return Spoil(f"JSON with {status}", status=status, headers={**_JSON, **headers}, body=json.dumps(document).encode())


def sliced(at: int, *, noticed: bool) -> Spoil:
    """Return an answer that ends after so many bytes of its body.

    `noticed` leaves the length that was announced, as a connection that breaks off does; else it is put right, as by a
    proxy that takes what it got for the whole.
    """
    return Spoil(f"cut after {at} bytes", how=How.SLICED, at=at, noticed=noticed)


def echo(status: int) -> Spoil:
    """Return the request itself, credentials and all, in the places where APIs put their texts."""
    return Spoil(f"echo with {status}", how=How.ECHOED, status=status)


DROPPED = Spoil("connection dropped", how=How.DROPPED)
CUT = Spoil("answer cut in half", how=How.CUT)
OTHER_KEY = Spoil("certificate for another key", how=How.OTHER_KEY)
OTHER_NAME = Spoil("certificate for another name", how=How.OTHER_NAME)
HELD = Spoil("no answer", how=How.HELD)
GARBLED = Spoil("garbled", body=b"\x00\xff{garbled")
HUGE = Spoil("far too large", body=b" " * _HUGE)
EMPTY = Spoil("empty answer")
NOT_THE_API = (page(200), page(500), page(503))
"""After these nobody knows whether the CA acted."""
NO_DOCUMENT = (
    GARBLED,
    Spoil("no document: null", body=b"null"),
    Spoil("no document: a list", body=b"[]"),
    Spoil("no document: a text", body=b'"ok"'),
    Spoil("no document: too deep", body=b"[" * _DEEP),
)
"""JSON at most, but nothing that an API documents."""
REDIRECTED = (page(302), page(404))
SENSELESS = (DROPPED, CUT, HUGE, *NOT_THE_API, *NO_DOCUMENT)
"""From each of them nothing may be concluded, neither that something was done nor that it was not."""
