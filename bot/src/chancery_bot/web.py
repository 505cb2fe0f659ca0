"""HTTP over the standard library: one request, one answer, no redirects, no proxies of the environment."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from chancery_bot.errors import Away, Refused

_MOST = 4_000_000
_SECONDS = 20.0
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def call(url: str, method: str, body: bytes = b"", headers: Mapping[str, str] | None = None, trust: str = "") -> Answer:
    """Send a request; `trust` is a file of roots, '' for the system's. Raises `Away` where nothing answers."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=_context(trust))
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body or None, dict(headers or {}))
        answer = connection.getresponse()
        found = answer.read(_MOST)
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, found)
    except ssl.SSLCertVerificationError as error:
        raise Away(f"{host} shows a certificate that is not trusted here: {error.verify_message}.") from None
    except (OSError, http.client.HTTPException) as error:
        raise Away(f"{host} does not answer: {error or type(error).__name__}.") from None
    finally:
        connection.close()


def usable(url: str) -> str:
    """Return a server's address without a slash at its end; raises `Refused` for what would travel in the clear."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused(f"{url[:100]!r} is no address.", "Write https://host or https://host:port.") from None
    plain = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or port == 0 or not (parts.scheme == "https" or plain):
        raise Refused(f"{url[:100]!r} is no address to trust.", "Write https://host; http is for this machine alone.")
    return url.rstrip("/")


def _context(trust: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=trust or None)
    except (OSError, ssl.SSLError):
        raise Refused(f"The file of roots {trust} cannot be read.", "Give a PEM file.") from None
