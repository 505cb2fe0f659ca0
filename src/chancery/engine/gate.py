"""The last look before the first byte: the connector must still be what the job was claimed for.

Seat threads never touch the database, so a thread of its own, with its own connection, answers them.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future

from chancery.apps.connectors.models import Connector, Status
from chancery.engine.jobs import Job, Kind
from chancery.engine.work import StopHere

_TIMEOUT = 30.0


class Gate:
    """Answers for every seat of a worker."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[tuple[Job, Future[bool]] | None] = queue.SimpleQueue()
        self._current = threading.local()
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        self._thread.start()

    def enter(self, job: Job | None) -> None:
        """Say which job the calling seat is about to do."""
        self._current.job = job

    def before_send(self) -> None:
        """Raise `StopHere` if the seat's submission must not start any more."""
        job: Job | None = getattr(self._current, "job", None)
        if job is None or job.kind is not Kind.SUBMIT:
            return
        answer: Future[bool] = Future()
        self._questions.put((job, answer))
        if not answer.result(_TIMEOUT):
            raise StopHere

    def close(self) -> None:
        """End the thread."""
        self._questions.put(None)
        self._thread.join(_TIMEOUT)

    def _run(self) -> None:
        from django.db import connections

        while (question := self._questions.get()) is not None:
            job, answer = question
            try:
                answer.set_result(still(job))
            except Exception as error:
                answer.set_exception(error)
        connections.close_all()


def still(job: Job) -> bool:
    """Say whether the connector is active and unchanged since the claim."""
    rows = Connector.objects.filter(pk=job.connector or job.row, deleted_at=None, status=Status.ACTIVE, epoch=job.epoch)
    return rows.exists()
