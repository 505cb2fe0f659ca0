"""Sees to it that an authority reaches the CA through its door, stays below the base URL, and never sleeps."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from chancery.sdk.answer import Answer
from chancery.sdk.http import HttpDoor

_inside = threading.local()


class ClosedDoor(HttpDoor):
    """The usual door; what goes through it is told from what goes past it. `elsewhere` are hosts beside the CA's."""

    def __init__(self, base_url: str, **more: Any) -> None:
        super().__init__(base_url, **more)
        self.elsewhere: set[str] = set()

    def request(self, method: str, path: str, **more: Any) -> Answer:
        """Send a request, as the usual door does."""
        if "://" in path and urlsplit(path).netloc != urlsplit(self.base_url).netloc:
            self.elsewhere.add(urlsplit(path).netloc)
        _inside.door = True
        try:
            return super().request(method, path, **more)
        finally:
            _inside.door = False


@contextmanager
def watched() -> Iterator[list[str]]:
    """Give a list that fills with what this thread does and no authority may: connecting by itself, sleeping."""
    wrong: list[str] = []
    watcher = threading.get_ident()
    connect, look, sleep = socket.socket.connect, socket.getaddrinfo, time.sleep

    def guarded(verb: Any, what: str) -> Any:
        def act(*values: Any, **more: Any) -> Any:
            if threading.get_ident() == watcher and not getattr(_inside, "door", False):
                wrong.append(f"{what} {values[-1] if what == 'slept' else values[1]}")
            return verb(*values, **more)

        return act

    names = ((socket.socket, "connect"), (socket, "getaddrinfo"), (time, "sleep"))
    said = ("connected by itself to", "looked up by itself", "slept")
    for (place, name), verb, what in zip(names, (connect, look, sleep), said, strict=True):
        setattr(place, name, guarded(verb, what))
    try:
        yield wrong
    finally:
        for (place, name), verb in zip(names, (connect, look, sleep), strict=True):
            setattr(place, name, verb)
