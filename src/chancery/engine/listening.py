"""How an idle worker finds out that there may be something to do: PostgreSQL tells it, SQLite is asked whether anything changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import OperationalError, connection

from chancery.apps.shared.waking import CHANNEL

log = logging.getLogger("chancery.worker")
_PATIENCE = 1.0
"""Seconds between two looks whether to end, and between two tries to connect."""


class Changes:
    """Says on SQLite whether anybody else committed anything; asking costs a hundredth of looking for work."""

    def __init__(self) -> None:
        self._version = 0

    def since_the_last_look(self) -> bool:
        """Say whether another connection than this thread's has committed since this was asked before."""
        before = self._version
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA data_version")
                (self._version,) = cursor.fetchone()
        except OperationalError:
            # The look for work meets it as well, and says what to do.
            return True
        return self._version != before


class Listener:
    """One per worker. `hears` is false while PostgreSQL is not reached, and then the worker looks more often; always on SQLite."""

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
