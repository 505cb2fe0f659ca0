"""What a bot says on its own host: every line that its server is told, for whoever looks there when the server is away."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LOG = logging.getLogger("chancery_bot")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


@contextmanager
def aloud(least: str = "info") -> Iterator[None]:
    """Write lines of a level and above to standard error meanwhile; systemd's journal has them from there, with their time."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("chancery-bot: %(levelname)s: %(message)s"))
    _LOG.addHandler(handler)
    _LOG.setLevel(_LEVELS[least])
    try:
        yield
    finally:
        _LOG.removeHandler(handler)


def say(level: str, text: str) -> None:
    """Say a line; what a server or a program put into it cannot steer a terminal, nor look like a line of its own."""
    _LOG.log(_LEVELS[level], "%s", "".join(c if c.isprintable() else " " for c in text))
