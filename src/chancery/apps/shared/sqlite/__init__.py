"""SQLite with turns: whoever wants to write waits in short steps, so that a busy engine keeps nobody out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def give_way(connection: Any) -> None:
    """Let all others go first on this connection; a database that hands out turns itself needs no such word."""
    if connection.vendor == "sqlite":
        connection.gives_way = True


@contextmanager
def giving_way(connection: Any, *, much: bool) -> Iterator[None]:
    """Let all others go first for as long as this lasts, where so much is written at once that a person would notice."""
    before = getattr(connection, "gives_way", False)
    if much:
        give_way(connection)
    try:
        yield
    finally:
        if connection.vendor == "sqlite":
            connection.gives_way = before
