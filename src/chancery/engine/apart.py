"""Calls CAs from a process of its own, once there is much to call.

Python lets one thread of a process compute at a time, so what sixty connections bring to be read and checked keeps the thread
waiting that records it and claims the next work. Little work needs no second process: one is begun under load, and what is
there to do meanwhile, and whatever it cannot do, is done by the worker's own seats.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import multiprocessing.util
import pickle
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from chancery import __version__
from chancery.core.clock import Clock
from chancery.engine import calling
from chancery.engine.build import Built
from chancery.engine.jobs import Failed, Job, Result
from chancery.engine.work import UNFIT

log = logging.getLogger("chancery.worker")
Done = Callable[[Job, Result, float], None]
"""Told what came of a job, and in how many seconds."""
Own = Callable[[Built, Job], None]
"""Has a job done by the worker's own seats."""
Outgoing = queue.SimpleQueue[calling.Message | None]
_AGAIN = 60.0
"""Seconds after which one that ended is begun again: what ends at its start would else be started without end."""
_READY = 60.0
"""Seconds for it to be ready."""
_END = 5.0
"""Seconds for it to end by itself. What it has under way then is found by its lease, as after a worker's end."""
_UNREAD = 2
"""Messages that it has not taken yet, from which on it gets no more: it may be stopped, and the worker must not be."""
_LOST = Failed("Bug", "The process that called the CA ended before it had said what came of this.")


class Apart:
    """The process as the worker sees it. What came of the jobs it takes is told by threads of its own."""

    def __init__(self, clock: Clock, done: Done, own: Own) -> None:
        self._clock, self._done, self._own = clock, done, own
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._jobs: dict[int, tuple[Built, Job]] = {}
        self._process: SpawnProcess | None = None
        self._outgoing: Outgoing = queue.SimpleQueue()
        self._unread, self._ready = 0, False
        self._not_before, self._ready_by = float("-inf"), float("inf")

    def begin(self) -> None:
        """Start the process where there is none; nobody waits until it is ready, which takes it a second."""
        now = self._clock.monotonic()
        process = self._process
        if process is not None:
            if not self._ready and now > self._ready_by:
                process.kill()
            return
        if now < self._not_before:
            return
        try:
            self._start(now)
        except Exception as error:
            # Such as no memory for it.
            log.error("the process for calls cannot be started: %s", type(error).__name__)
            self._not_before = now + _AGAIN

    def take(self, built: Built, jobs: list[Job]) -> bool:
        """Have the process do these jobs, which need `built`; False where it takes none of them."""
        with self._lock:
            if not self._ready or self._unread >= _UNREAD:
                return False
            message = list(zip(jobs, self._numbers, strict=False))
            self._jobs.update((number, (built, job)) for job, number in message)
            self._unread += 1
            self._outgoing.put(message)
        return True

    def close(self) -> None:
        """End the process, and begin none again."""
        with self._lock:
            self._ready, self._not_before = False, float("inf")
            process = self._process
        if process is None:
            return
        self._outgoing.put(None)
        process.join(_END)
        process.kill()
        process.join()

    def _start(self, now: float) -> None:
        spawn = multiprocessing.get_context("spawn")
        pipe, other = spawn.Pipe()
        with other:
            process = spawn.Process(
                target=calling.run, args=(other, __version__, self._clock), name=calling.NAME, daemon=True
            )
            process.start()
        # Whatever ends the worker: at its end Python would wait for a process that no signal but this one ends.
        multiprocessing.util.Finalize(None, process.kill, exitpriority=1)
        self._outgoing, self._unread, self._ready_by, self._process = queue.SimpleQueue(), 0, now + _READY, process
        hear = partial(self._hear, pipe, process, self._outgoing)
        try:
            threading.Thread(target=hear, name="from-calls", daemon=True).start()
        except Exception:
            process.kill()
            process.join()
            self._process = None
            raise

    def _hear(self, pipe: Connection, process: SpawnProcess, outgoing: Outgoing) -> None:
        """Tell what comes until the process ends; it is ended, too, if what it says makes no sense."""
        writer = threading.Thread(target=self._deliver, args=(pipe, outgoing), name="to-calls", daemon=True)
        try:
            writer.start()
            self._ready = pipe.recv()
            while True:
                for number, told, seconds in pipe.recv():
                    self._answer(number, told, seconds)
        except Exception as error:
            process.kill()
            process.join()
            outgoing.put(None)
            with suppress(RuntimeError):  # it could not be started
                writer.join()
            pipe.close()
            self._ended(error)

    def _answer(self, number: int, told: bytes | None, seconds: float) -> None:
        if told is None:
            self._back(number)
            return
        try:
            result = pickle.loads(told)  # noqa: S301  written by our own process
        except Exception as error:
            # A plug-in may give what can be written and not read.
            log.error("what a CA answered cannot be read: %s", type(error).__name__)
            result = UNFIT
        with self._lock:
            _, job = self._jobs.pop(number)
        self._done(job, result, seconds)

    def _deliver(self, pipe: Connection, outgoing: Outgoing) -> None:
        """Write what `take` has put down: a full pipe keeps this thread waiting, and not the worker's."""
        while (message := outgoing.get()) is not None:
            try:
                pipe.send(message)
            except Exception as error:
                # What cannot be written, or was not written to its end, is no message: nothing of it was read on the other side.
                log.error("the process for calls does not take this: %s", type(error).__name__)
                for _, number in message:
                    self._back(number)
            with self._lock:
                self._unread -= 1
        with suppress(OSError):
            pipe.send(None)

    def _back(self, number: int) -> None:
        """Have a job that the process did not do done here."""
        with self._lock:
            built, job = self._jobs.pop(number)
        self._own(built, job)

    def _ended(self, error: Exception) -> None:
        with self._lock:
            if self._not_before < float("inf"):
                log.error("the process for calls ended: %s", type(error).__name__)
                self._not_before = self._clock.monotonic() + _AGAIN
            self._ready, self._process = False, None
            jobs, self._jobs = self._jobs, {}
        for _, job in jobs.values():
            self._done(job, _LOST, 0.0)
