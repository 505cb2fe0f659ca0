"""URLs, parsed once and strictly: what is checked here is what is connected to, with no second parser between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from chancery.net.addresses import parse_host

_URL = re.compile(r"(?i)(https?)://(\[[0-9a-f:.]+\]|[^\[\]/?#@:\\]+)(?::([0-9]{1,5}))?(/[^?#]*)?(\?[^#]*)?")
_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65_535
_DOTS = re.compile(r"(?i)(?:\.|%2e){1,2}")
_KEPT = "/?:@!$&'()*+,;=%-._~[]"


@dataclass(frozen=True, slots=True)
class Url:
    """Scheme, host (no brackets), port, and target: path with query, percent-encoded, beginning with a slash."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Return what two URLs share when they lead to the same server (RFC 6454 section 4)."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Return the value of the Host header (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str) -> Url:
    """Return the parts of an absolute http or https URL.

    Raises `ValueError`, naming what is wrong, for anything else: user and password, fragment, backslash, control
    characters, a host in an odd form, a path with dot segments.
    """
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("a URL holds no spaces, control characters or backslashes")
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("this is no URL of the form https://host/path (without user, password and fragment)")
    scheme, host, port, path, query = found.groups()
    number = int(port) if port else _PORTS[scheme.lower()]
    if not 0 < number <= _HIGHEST_PORT:
        raise ValueError(f"{number} is no port")
    return Url(scheme.lower(), parse_host(host), number, parse_target((path or "/") + (query or "")))


def parse_target(text: str) -> str:
    """Return path and query, percent-encoded. Raises `ValueError` for dot segments: nothing climbs out of the base."""
    if re.search(r"[\x00-\x20\x7f\\#]", text):
        raise ValueError("a path holds no spaces, control characters, backslashes or fragments; percent-encode them")
    path = text.partition("?")[0]
    if any(_DOTS.fullmatch(segment) for segment in path.split("/")):
        raise ValueError("the path has dot segments")
    return quote(text, safe=_KEPT)


def join(base: Url, path: str) -> Url:
    """Return the URL of a path below the base; raises `ValueError` as `parse_target` does."""
    folder = base.target.partition("?")[0].rstrip("/")
    return Url(base.scheme, base.host, base.port, f"{folder}/{parse_target(path.lstrip('/'))}")
