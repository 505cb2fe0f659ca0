"""Signs of life of a process that serves pages, from a thread of its own."""

from __future__ import annotations

import logging
import threading
import uuid

from django.db import DatabaseError, close_old_connections, connections, transaction

from chancery.apps.health import nodes
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.room import said as first_line

log = logging.getLogger("chancery.web")


class Living:
    """One per process; no request waits for it."""

    def __init__(self, every: float = nodes.WEB_EVERY) -> None:
        self.id, self._every = uuid.uuid4(), every
        self._started = current_clock().now()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="living", daemon=True)

    def start(self) -> None:
        """Begin to leave signs of life."""
        self._thread.start()

    def close(self) -> None:
        """Leave none any more, and take the last one away."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        said = ""
        while not self._ended.is_set():
            said = self._once(said)
            self._ended.wait(self._every)
        try:
            nodes.end(self.id)
        except DatabaseError:
            log.error("the database does not answer; this process is shown as silent instead of ended")
        finally:
            connections.close_all()

    def _once(self, said: str) -> str:
        """Leave one sign; a database that is away is said once."""
        try:
            with transaction.atomic():
                nodes.beat(self.id, self._started, current_clock().now(), nodes.WEB)
        except DatabaseError as error:
            close_old_connections()
            if not said:
                log.error("the database does not answer: %s", first_line(error))
            return type(error).__name__
        return ""
