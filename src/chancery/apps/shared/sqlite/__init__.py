"""SQLite with turns: whoever wants to write waits in short steps, so that a busy engine keeps nobody out."""

from typing import Any


def give_way(connection: Any) -> None:
    """Let all others go first on this connection; a database that hands out turns itself needs no such word."""
    if connection.vendor == "sqlite":
        connection.gives_way = True
