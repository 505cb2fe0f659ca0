"""The process that calls CAs for a worker (`apart.py`): jobs come through a pipe, and what came of each goes back.

It reads settings and secrets from the tables itself, as the worker does, so that no secret goes through the pipe, and it
looks by itself whether an order may still be sent. It writes nothing.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import DatabaseError, connection

from chancery import __version__, looking
from chancery.core.clock import Clock
from chancery.engine import cpu
from chancery.engine.jobs import Job, Result
from chancery.engine.work import UNFIT

if TYPE_CHECKING:
    from chancery.engine.build import Built
    from chancery.engine.seats import Seats

log = logging.getLogger("chancery.worker")
NAME = "calls"
"""The process's name."""
Message = list[tuple[Job, int]]
"""Jobs, each with its number."""
Answers = queue.SimpleQueue[tuple[int, bytes | None, float]]
"""A job's number, its result (pickled by itself: one that cannot be read spoils no other), and in how many seconds it came.

None stands for a job that was not begun, since its connector could not be built here.
"""


def run(pipe: Connection, release: str, clock: Clock) -> None:
    """Call for the worker at the other end of the pipe until it says None, or is gone."""
    # The worker ends it. A terminal and a service manager tell all processes at once to stop, and its calls are to be finished.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cpu.follow()
    try:
        _call(pipe, release, clock)
    except Exception as error:
        log.error("the process for calls cannot go on: %s", type(error).__name__)
    finally:
        # A thread that waits for a CA would be waited for.
        os._exit(0)


def _call(pipe: Connection, release: str, clock: Clock) -> None:
    if release != __version__:
        # Another release was installed while the worker runs: what goes through the pipe may look different.
        return
    looking.only = True
    import django

    django.setup()
    # What knows tables can be loaded from here on.
    from chancery.apps.shared.action import use_clock
    from chancery.apps.shared.settling import settle
    from chancery.engine.pacing import SEATS
    from chancery.engine.seats import Seats

    use_clock(clock)
    settle()
    serve(pipe, Seats(clock, SEATS), os._exit)


def serve(pipe: Connection, seats: Seats, end: Callable[[int], None]) -> None:
    """Say that it is ready, and do what comes; `end` is called once nothing can be answered any more."""
    messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    answers: Answers = queue.SimpleQueue()
    threading.Thread(target=_answer, args=(pipe, answers, end), name="answers", daemon=True).start()
    threading.Thread(target=_begin, args=(messages, seats, answers), name="begins", daemon=True).start()
    pipe.send(True)
    # Reads and does nothing else: what waits for a database or a key store may not keep the worker's words waiting.
    with suppress(EOFError, OSError):
        while (message := pipe.recv()) is not None:
            messages.put(message)
    messages.put(None)


def _begin(messages: queue.SimpleQueue[Message | None], seats: Seats, answers: Answers) -> None:
    while (message := messages.get()) is not None:
        built: dict[UUID | None, Built | None] = {}
        for job, number in message:
            if job.version not in built:
                built[job.version] = _built(seats, job)
            ready = built[job.version]
            if ready is None:
                answers.put((number, None, 0.0))
            else:
                seats.take(ready, job, partial(_done, answers, number))


def _built(seats: Seats, job: Job) -> Built | None:
    """Return what the job calls through, read once more over a fresh connection if need be; None where it cannot be had."""
    version = job.version or UUID(int=0)
    try:
        try:
            return seats.builder.version(job.authority, version)
        except DatabaseError:
            connection.close()
            return seats.builder.version(job.authority, version)
    except Exception as error:
        log.error("connector version %s cannot be built for calls: %s", job.version, type(error).__name__)
        return None


def _done(answers: Answers, number: int, result: Result, seconds: float) -> None:
    try:
        told = pickle.dumps(result)
    except Exception as error:
        # A plug-in may put anything into what it wants to remember.
        log.error("a result cannot be passed on: %s", type(error).__name__)
        told = pickle.dumps(UNFIT)
    answers.put((number, told, seconds))


def _answer(pipe: Connection, answers: Answers, end: Callable[[int], None]) -> None:
    """Send what came of jobs, as much as there is in one message; without this thread nothing that is called could be told."""
    try:
        while True:
            told = [answers.get()]
            with suppress(queue.Empty):
                while True:
                    told.append(answers.get_nowait())
            pipe.send(told)
    except Exception as error:
        log.error("the process for calls cannot answer: %s", type(error).__name__)
    finally:
        end(1)
