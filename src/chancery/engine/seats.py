"""The threads that call CAs, with what they call through and the last look before each submission."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chancery.core.clock import Clock
from chancery.engine.build import Builder, Built
from chancery.engine.gate import Gate
from chancery.engine.jobs import Failed, Job, Kind, Result
from chancery.engine.said import fit
from chancery.engine.work import do, unsent

log = logging.getLogger("chancery.worker")
Done = Callable[[Result, float], None]
"""Told what came of a job, and in how many seconds."""


class Seats:
    """So many threads of one process. Whatever happens to a job, its result is told once."""

    def __init__(self, clock: Clock, number: int) -> None:
        self._clock = clock
        self.gate = Gate()
        self.builder = Builder(clock, self.gate.before_send)
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="seat")

    def take(self, built: Built, job: Job, done: Done) -> None:
        """Have a job done by the next free thread."""
        mine = threading.Lock()
        try:
            self._threads.submit(self._sit, built, job, done, mine)
        except Exception as error:
            # Such as no thread to be had; the job stands in the queue all the same, unless somebody has begun it already.
            log.error("a seat could not be taken: %s", type(error).__name__)
            if mine.acquire(blocking=False):
                done(unsent(error), 0.0)

    def close(self) -> None:
        """Wait for the calls that are under way, and end threads and connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.gate.close()
        self.builder.close()

    def _sit(self, built: Built, job: Job, done: Done, mine: threading.Lock) -> None:
        if not mine.acquire(blocking=False):
            return
        self.gate.enter(job)
        begun = self._clock.monotonic()
        done(self._result(built, job), self._clock.monotonic() - begun)
        if job.kind is Kind.CALL and job.version is None and built.door is not None:
            built.door.close()

    def _result(self, built: Built, job: Job) -> Result:
        try:
            return fit(do(job, built.authority, self._clock.now), built.secrets)
        except BaseException as error:
            # A plug-in may raise what ends a thread, and say what is no text. The CA may have the job.
            log.error("bug in authority %s: %s", job.authority, type(error).__name__)
            return Failed("Bug", f"The authority failed unexpectedly ({type(error).__name__}).")
