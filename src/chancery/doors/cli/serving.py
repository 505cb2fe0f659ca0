"""Runs the web server: looks first whether its port is free, and leaves nothing behind when it ends."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from chancery.apps.shared.settling import SERVING, give_back, settle
from chancery.doors.cli.parent import follow
from chancery.net import listening

_BUFFER = 32 * 1024
"""Bytes that are held of a connection before its request is asked for more: all headers, and a piece of the body."""
_PATIENCE, _STEP = 15.0, 0.1
"""Seconds for which a server that is started again waits for what the killed one has left to go from its port."""


def run(
    address: str,
    port: int,
    threads: int,
    *,
    processes: int = 1,
    log_level: str = "info",
    parent: int = 0,
    ready: Path | None = None,
) -> None:
    """Serve until told to stop, or until the process `parent` is gone. Ends with a sentence where it cannot serve.

    `processes` share the port, each with its own threads and connections. `ready` is a file that is written once the port is this server's own: it holds the process id.
    """
    server = Server(
        "chancery.doors.wsgi:application",
        address=_usable(address, port, _PATIENCE if parent else 0),
        port=port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=threads,
        http1_settings=HTTP1Settings(max_buffer_size=_BUFFER),
        websockets=False,
        log_level=LogLevels(log_level.lower()),
        log_access=False,
        respawn_failed_workers=True,
    )
    logging.getLogger("_granian").addFilter(_meant)
    if parent:
        follow(parent, _stop)
    if ready is not None:
        server.on_startup(lambda: _say_ready(ready))
    _serve(server)


def _usable(address: str, port: int, patience: float) -> str:
    """Return the IP address to listen at; ends with a sentence where nothing can within `patience` seconds."""
    try:
        found = listening.resolved(address)
    except OSError:
        raise SystemExit(f"chancery: {address!r} is no address of this machine. Write 127.0.0.1:8000.") from None
    until = time.monotonic() + patience
    while (obstacle := listening.obstacle(found, port)) is not None and time.monotonic() < until:
        time.sleep(_STEP)
    if obstacle is not None:
        problem, remedy = obstacle
        print(f"chancery: {address}:{port} cannot be served: {problem}.\n          {remedy}", file=sys.stderr)
        sys.exit(1)
    return found


def _meant(record: logging.LogRecord) -> bool:
    """Leave out the server's doubt about so many threads: ours wait for the database, they do not compute."""
    return "Python threads" not in record.getMessage()


def _serve(server: Any) -> None:
    try:
        server.serve(target_loader=load, wrap_loader=False)
    except SystemExit as end:
        if end.code:
            text = "chancery: the server's own process ended again and again; the lines above say why."
            print(text, file=sys.stderr)
        raise


def load() -> Callable[..., Any]:
    """Return the application, in the process that answers; it ends with the one that started it, however that ends."""
    follow(os.getppid(), _stop)
    give_back()
    from chancery.doors import living, urls, wsgi

    del urls  # read now, not while the first visitor waits
    alive = living.Living()
    alive.start()
    atexit.register(alive.close)
    settle(SERVING)
    return wsgi.application


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _say_ready(path: Path) -> None:
    fresh = path.with_suffix(".tmp")
    fresh.write_text(str(os.getpid()), encoding="ascii")
    fresh.rename(path)
