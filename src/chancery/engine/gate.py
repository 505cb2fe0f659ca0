"""The last look before the first byte: the order must still be this worker's, the connector what it was claimed for.

Seat threads never touch the database, so a thread of its own, with its own connection, answers them.
"""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from contextlib import suppress

from django.db import DatabaseError, connection, connections

from chancery.apps.connectors.models import Status
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.returning import key, one_of, read
from chancery.engine.jobs import Job, Kind
from chancery.engine.work import StopHere

log = logging.getLogger("chancery.engine")
_TIMEOUT = 30.0
_HELD = """
SELECT o.id, o.fence, o.connector_id, c.epoch FROM orders_order o JOIN connectors_connector c ON c.id = o.connector_id
WHERE c.deleted_at IS NULL AND c.status = %s AND o.fence IS NOT NULL AND o.lease_until > %s AND o.id"""
_Question = tuple[Job, "Future[bool]"]


class Gate:
    """Answers for every seat of a worker."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._current = threading.local()
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        self._thread.start()

    def enter(self, job: Job | None) -> None:
        """Say which job the calling seat is about to do."""
        self._current.job, self._current.begun = job, False

    def before_send(self) -> None:
        """Raise `StopHere` if the seat's submission must not start any more.

        Once its first request has left, the CA may have it: then what the submission needs besides goes too, and what
        becomes of it is recorded. Stopped half-way it would count as never sent.
        """
        job: Job | None = getattr(self._current, "job", None)
        if job is None or job.kind is not Kind.SUBMIT or self._current.begun:
            return
        answer: Future[bool] = Future()
        self._questions.put((job, answer))
        try:
            allowed = answer.result(_TIMEOUT)
        except TimeoutError:
            allowed = False
        if not allowed:
            raise StopHere
        self._current.begun = True

    def close(self) -> None:
        """End the thread."""
        self._questions.put(None)
        self._thread.join(_TIMEOUT)

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            asked = [question, *self._more()]
            for (_job, answer), allowed in zip(asked, _look([job for job, _answer in asked]), strict=True):
                answer.set_result(allowed)
        connections.close_all()

    def _more(self) -> list[_Question]:
        """Return what else is asked by now: many seats begin at once, and one look is enough for them all."""
        found: list[_Question] = []
        with suppress(queue.Empty):
            while (question := self._questions.get_nowait()) is not None:
                found.append(question)
            self._questions.put(None)
        return found


def _look(jobs: list[Job]) -> list[bool]:
    """Ask the database, once more over a fresh connection if need be; without an answer nothing is sent."""
    for _ in range(2):
        try:
            return still(jobs)
        except DatabaseError:
            connection.close()
        except Exception as error:
            log.error("the last look failed: %s", type(error).__name__)
            break
    return [False] * len(jobs)


def still(jobs: list[Job]) -> list[bool]:
    """Say of each whether the order is under this job's fence and lease, and its connector active and unchanged.

    A worker that was asleep for long may have lost the order to another one, which must not send it twice.
    """
    some, values = one_of([job.row for job in jobs])
    now = current_clock().now()
    rows = read(f"{_HELD} {some}", [str(Status.ACTIVE), now, *values])
    held = {(key(row), key(fence), key(connector), epoch) for row, fence, connector, epoch in rows}
    return [(job.row, job.fence, job.connector, job.epoch) in held for job in jobs]
