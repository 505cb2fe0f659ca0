"""Answers that are there whole go to the web server in one piece: it fetches anything else piece by piece, across threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Whole:
    """Hands over and closes what is no stream; a stream goes on as it came."""

    def __init__(self, application: Application) -> None:
        self._next = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer: with a list, which is what the server sends at once."""
        answer = self._next(environ, start_response)
        if getattr(answer, "streaming", True):
            streamed: Iterable[bytes] = answer
            return streamed
        try:
            return list(answer)
        finally:
            answer.close()
