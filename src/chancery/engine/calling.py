"""The process that calls CAs for a worker (`apart.py`): jobs come through a pipe, and what came of each goes back.

It reads settings and secrets from the tables itself, as the worker does, so that no secret goes through the pipe, and it
looks by itself whether an order may still be sent. It writes nothing.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import DatabaseError, connection

from chancery.engine import cpu
from chancery.engine.jobs import Failed, Job, Result
from chancery.engine.work import unsent

if TYPE_CHECKING:
    from chancery.engine.build import Built
    from chancery.engine.seats import Seats

log = logging.getLogger("chancery.worker")
Told = tuple[int, Result, float]
"""A job's number, what came of it, and in how many seconds."""
Answers = queue.SimpleQueue[Told]
_UNFIT = Failed("Bug", "What the CA answered cannot be stored; the log names the place.")


def run(pipe: Connection) -> None:
    """Call for the worker at the other end of the pipe until it says None, or is gone."""
    # The worker ends it. A terminal and a service manager tell all processes at once to stop, and its calls are to be finished.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cpu.follow()
    import django

    django.setup()
    # What knows tables can be loaded from here on.
    from chancery.apps.shared.action import current_clock
    from chancery.apps.shared.settling import settle
    from chancery.engine.pacing import SEATS
    from chancery.engine.seats import Seats

    settle()
    seats = Seats(current_clock(), SEATS)
    serve(pipe, seats)
    seats.close(wait=False)
    # A thread that waits for a CA would be waited for.
    os._exit(0)


def serve(pipe: Connection, seats: Seats) -> None:
    """Say that it is ready, and do what comes."""
    answers: Answers = queue.SimpleQueue()
    threading.Thread(target=_answer, args=(pipe, answers), name="answers", daemon=True).start()
    pipe.send(True)
    with suppress(EOFError, OSError):
        while (numbered := pipe.recv()) is not None:
            for job, number in numbered:
                _do(seats, job, answers, number)


def _do(seats: Seats, job: Job, answers: Answers, number: int) -> None:
    try:
        built = _built(seats, job)
    except Exception as error:
        log.error("connector version %s cannot be built for calls: %s", job.version, type(error).__name__)
        answers.put((number, unsent(error), 0.0))
    else:
        seats.take(built, job, lambda result, seconds: answers.put((number, result, seconds)))


def _built(seats: Seats, job: Job) -> Built:
    """Return what the job calls through, read once more over a fresh connection if need be."""
    version = job.version or UUID(int=0)
    try:
        return seats.builder.version(job.authority, version)
    except DatabaseError:
        connection.close()
        return seats.builder.version(job.authority, version)


def _answer(pipe: Connection, answers: Answers) -> None:
    """Send what came of jobs until the worker is gone, as much as there is in one message."""
    with suppress(OSError):
        while True:
            told = [answers.get()]
            with suppress(queue.Empty):
                while True:
                    told.append(answers.get_nowait())
            _send(pipe, told)


def _send(pipe: Connection, told: list[Told]) -> None:
    try:
        pipe.send(told)
    except OSError:
        raise
    except Exception as error:
        # A plug-in may put anything into what it wants to remember.
        log.error("a result cannot be passed on: %s", type(error).__name__)
        if len(told) == 1:
            pipe.send([(told[0][0], _UNFIT, told[0][2])])
        else:
            for one in told:
                _send(pipe, [one])
