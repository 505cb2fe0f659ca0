"""Hears on PostgreSQL that there is something to do, on a connection of its own, and wakes the worker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from chancery.apps.shared.waking import CHANNEL

log = logging.getLogger("chancery.worker")
_PATIENCE = 1.0
"""Seconds between two looks whether to end, and between two tries to connect."""


class Listener:
    """One per worker. `hears` is false on SQLite, and while PostgreSQL is not reached: then the worker looks more often."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake, self._ended = wake, threading.Event()
        self._thread: threading.Thread | None = None
        self.hears = False

    def start(self) -> None:
        """Begin to listen, where the database is one that tells."""
        if connection.vendor != "postgresql":
            return
        parameters = connection.get_connection_params()
        self._thread = threading.Thread(target=self._run, args=(parameters,), name="listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no longer."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, parameters: dict[str, Any]) -> None:
        from psycopg import Error  # only where PostgreSQL is the database

        while not self._ended.is_set():
            try:
                self._listen(parameters)
            except Error as error:
                log.error("no word from the database is heard: %s", type(error).__name__)
            finally:
                self.hears = False
            self._ended.wait(_PATIENCE)

    def _listen(self, parameters: dict[str, Any]) -> None:
        from psycopg import connect

        with connect(**{**parameters, "autocommit": True}) as heard:
            heard.execute(f"LISTEN {CHANNEL}")
            self.hears = True
            # What was said before is not repeated.
            self._wake()
            while not self._ended.is_set():
                if list(heard.notifies(timeout=_PATIENCE, stop_after=1)):
                    self._wake()
