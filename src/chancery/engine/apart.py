"""Calls CAs from a process of its own, once there is much to call.

Python lets one thread of a process compute at a time, so what sixty connections bring to be read and checked keeps the thread
waiting that records it and claims the next work. Little work needs no second process: one is begun under load, and what is
there to do meanwhile is done by the worker's own seats.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from chancery.core.clock import Clock
from chancery.engine import calling
from chancery.engine.jobs import Failed, Job, Result

log = logging.getLogger("chancery.worker")
Done = Callable[[Job, Result, float], None]
"""Told what came of a job, and in how many seconds."""
_AGAIN = 60.0
"""Seconds after which one that ended is begun again: what ends at its start would else be started without end."""
_END = 5.0
"""Seconds for it to end by itself. What it has under way then is found by its lease, as after a worker's end."""
_LOST = Failed("Bug", "The process that called the CA ended before it had said what came of this.")


class Apart:
    """The process as the worker sees it; `done` is told what came of the jobs it takes, by a thread of its own."""

    def __init__(self, clock: Clock, done: Done) -> None:
        self._clock, self._done = clock, done
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._pipe: Connection | None = None
        self._process: SpawnProcess | None = None
        self._ready, self._not_before = False, float("-inf")

    def begin(self) -> None:
        """Start the process where there is none; nobody waits until it is ready, which takes it a second."""
        if self._process is not None or self._clock.monotonic() < self._not_before:
            return
        try:
            self._start()
        except Exception as error:
            # Such as no memory for it: the worker's own seats go on.
            log.error("the process for calls cannot be started: %s", type(error).__name__)
            self._not_before = self._clock.monotonic() + _AGAIN

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        pipe, other = spawn.Pipe()
        with other:
            process = spawn.Process(target=calling.run, args=(other,), name="calls", daemon=True)
            process.start()
        self._pipe, self._process = pipe, process
        threading.Thread(target=self._listen, args=(pipe, process), name="apart", daemon=True).start()

    def take(self, jobs: list[Job]) -> bool:
        """Have the process do these jobs; False where it does not, and then it has seen none of them."""
        with self._lock:
            if self._pipe is None or not self._ready:
                return False
            numbered = list(zip(jobs, self._numbers, strict=False))
            self._jobs.update((number, job) for job, number in numbered)
            try:
                self._pipe.send(numbered)
            except Exception as error:
                # What cannot be written, or was not written to its end, is no message: nothing of it was read on the other side.
                log.error("the process for calls does not take this: %s", type(error).__name__)
                for _, number in numbered:
                    del self._jobs[number]
                return False
        return True

    def close(self) -> None:
        """End the process, and begin none again."""
        with self._lock:
            self._ready, self._not_before = False, float("inf")
            pipe, process = self._pipe, self._process
        if pipe is None or process is None:
            return
        with suppress(OSError):
            pipe.send(None)
        process.join(_END)
        process.kill()
        process.join()

    def _listen(self, pipe: Connection, process: SpawnProcess) -> None:
        try:
            self._ready = pipe.recv()
            while True:
                for number, result, seconds in pipe.recv():
                    self._done(self._jobs.pop(number), result, seconds)
        except Exception as error:
            # Mostly its end; what it says cannot be read any further otherwise, and it is ended.
            self._ended(pipe, process, error)

    def _ended(self, pipe: Connection, process: SpawnProcess, error: Exception) -> None:
        process.kill()
        process.join()
        # Nothing is being sent then.
        with self._lock:
            if self._not_before < float("inf"):
                log.error("the process for calls ended: %s", type(error).__name__)
                self._not_before = self._clock.monotonic() + _AGAIN
            self._ready, self._pipe, self._process = False, None, None
            jobs, self._jobs = self._jobs, {}
            pipe.close()
        for job in jobs.values():
            self._done(job, _LOST, 0.0)
