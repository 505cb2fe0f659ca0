"""A process that has everything loaded and forks a worker for each order that it reads: `python -m tests.chaos.zygote`.

A fork takes milliseconds where a start takes seconds, so thousands of crashes fit into a run. A line of JSON in, one out:
`{"kill": N, "ahead": seconds, "lead": false}` forks a worker whose clock is that much ahead, and that kills itself with SIGKILL
at its Nth database or network call (never for 0); it works until nothing is due. The answer is `{"end": "killed" | "idle", "calls": n}`.
"""

import json
import os
import signal
import socket
import ssl
import sys
import threading
import traceback
from datetime import timedelta

from chancery.core.clock import SYSTEM_CLOCK

MOST = 600
"""Turns after which a worker that still finds work is a fault: something is asked again and again."""


class Counter:
    """Counts calls of any thread; the one that is wanted is the last."""

    def __init__(self, kill):
        self.kill, self.calls, self._lock = kill, 0, threading.Lock()

    def __call__(self):
        with self._lock:
            self.calls += 1
            if self.calls == self.kill:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner, name):
        """Count before and after what is called, so that a kill falls on either side of it."""
        plain = getattr(owner, name)

        def counted(*args, **more):
            self()
            found = plain(*args, **more)
            self()
            return found

        setattr(owner, name, counted)

    def install(self):
        from django.db.backends.base.base import BaseDatabaseWrapper
        from django.db.backends.utils import CursorWrapper

        for name in ("execute", "executemany"):
            self.around(CursorWrapper, name)
        self.around(BaseDatabaseWrapper, "_commit")
        for name in ("connect", "send", "sendall", "recv", "recv_into"):
            self.around(socket.socket, name)
        for name in ("send", "recv", "recv_into"):
            self.around(ssl.SSLSocket, name)


class Apart:
    """The machine's clock, so many seconds ahead or (as after a step of NTP) behind."""

    def __init__(self, ahead):
        self._ahead = timedelta(seconds=ahead)

    def now(self):
        return SYSTEM_CLOCK.now() + self._ahead

    def monotonic(self):
        return SYSTEM_CLOCK.monotonic()


def work(order):
    """Be a worker until nothing is due; returns the number of calls."""
    from concurrent.futures import ThreadPoolExecutor

    from chancery.apps.shared.action import use_clock
    from chancery.engine import cpu
    from chancery.engine.worker import Worker

    clock = Apart(order["ahead"])
    cpu.SYSTEM_CLOCK = clock  # signers read the machine's clock, which here is the worker's
    use_clock(clock)
    worker = Worker(processes=1)
    worker._signers = ThreadPoolExecutor(1)
    if not order["lead"]:
        worker.leading.renew = lambda: None
    counter = Counter(order["kill"])
    counter.install()
    for _ in range(MOST):
        worked = worker.turn()
        if worker._pacer.busy():
            worker._wait(60)
        elif not worked and worker._results.empty() and not due(clock):
            return counter.calls
        elif not worked:
            # The pace makes it wait, by the machine's own clock.
            worker._wait(0.02)
    raise RuntimeError(f"there is always something to do: {due(clock)}")


def due(clock):
    """Return what is due and not held back by a switch or a breaker; what waits for its lane's pace counts too."""
    from chancery.apps.connectors.models import Call
    from chancery.apps.orders.models import Order

    now = clock.now()
    orders = Order.objects.filter(due_at__lte=now, connector__breaker_until=None, connector__status="active")
    return [*orders.values_list("pk", "state")[:3], *Call.objects.filter(due_at__lte=now, state="due")[:3]]


def fork(order):
    """Run one worker in a child and say how it ended."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        try:
            calls = work(order)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os.write(write, str(calls).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        calls = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return {"end": "killed", "calls": order["kill"]}
    return {"end": "idle" if os.WEXITSTATUS(status) == 0 else "failed", "calls": int(calls or 0)}


def main():
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
    django.setup()
    from chancery import catalog
    from chancery.engine import worker  # noqa: F401  loaded before the forks

    for slug in catalog.BUILT_IN:
        catalog.build(slug)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("{}", file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    main()
