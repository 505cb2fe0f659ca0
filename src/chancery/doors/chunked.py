"""Requests that do not say how long their body is (RFC 9112 section 7.1): many clients that stream send them so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BufferedReader, RawIOBase
from typing import Any

from chancery.doors.lengths import UNTOLD, TooLong, most

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_PIECE = 64 * 1024


class Chunked:
    """Lets such a body be read when somebody asks for it, within the limit; the framework would take it for an empty one.

    Nothing is read here: whoever is refused by address, method or log-in is refused before a byte of it is.
    """

    def __init__(self, application: Application) -> None:
        self._next = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer. The framework is told the limit as the length, since it reads nothing past a length."""
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            limit = most(environ.get("PATH_INFO", ""))
            source = _Source(environ["wsgi.input"], limit)
            stream = BufferedReader(source, _PIECE)
            environ |= {"wsgi.input": stream, UNTOLD: source, "CONTENT_LENGTH": str(limit)}
        return self._next(environ, start_response)


class _Source(RawIOBase):
    """Gives what another source gives, and breaks off (`TooLong`) as soon as that is more than the limit."""

    def __init__(self, source: Any, limit: int) -> None:
        super().__init__()
        self._source, self._limit, self._given = source, limit, 0

    def bound(self, limit: int) -> None:
        """Lower the limit; it never rises."""
        self._limit = min(self._limit, limit)

    def readable(self) -> bool:
        """Say that it is read from."""
        return True

    def readinto(self, into: Any) -> int:
        """Fill as much of `into` as comes at once; return how much, 0 at the end."""
        piece = self._source.read(max(min(len(into), _PIECE, self._limit - self._given), 1))
        self._given += len(piece)
        # A reader that asks for no more than the limit would not learn that there is more.
        if self._given > self._limit or (piece and self._given == self._limit and self._source.read(1)):
            raise TooLong(self._limit)
        into[: len(piece)] = piece
        return len(piece)
