"""Requests that do not say how long their body is (RFC 9112 section 7.1): many clients that stream send them so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from chancery.doors.lengths import most

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_PIECE = 64 * 1024


class Chunked:
    """Reads such a body whole, within the limit for bodies; the framework would take it for an empty one."""

    def __init__(self, application: Application) -> None:
        self._next = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, with the length of the body known."""
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            body = _read(environ["wsgi.input"], most(environ.get("PATH_INFO", "")) + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return self._next(environ, start_response)


def _read(source: Any, limit: int) -> bytes:
    """Return what `source` gives, `limit` bytes of it; one more than the limit is enough to be refused for."""
    found = bytearray()
    while len(found) < limit and (piece := source.read(min(_PIECE, limit - len(found)))):
        found += piece
    return bytes(found)
