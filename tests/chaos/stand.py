"""Real processes on the test's own database, and what is asked of the tables and the ledger."""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from django.conf import settings
from django.db import connection, connections

from chancery.apps.connectors import sealing
from chancery.apps.connectors.models import WorkerBeat
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.orders.place import PlaceOrder, place_many
from chancery.core.order import ENDS
from tests.cast import request_pem
from tests.chaos.nest import Nest

ROOT = Path(__file__).resolve().parents[2]
START = 180.0
"""Outer limit, in seconds, for a process to start on a busy machine."""


def home_at(folder):
    """Make a home whose key is the test's, and whose SQLite database is; return the environment that leads there."""
    folder.mkdir(mode=0o700)
    sealing.seal("x", table="t", record="r", field="f")  # makes the key, unless there is one
    shutil.copy(settings.KEK_FILE, folder / "kek")
    where = connection.settings_dict
    if connection.vendor == "postgresql":
        url = f"postgresql://{where['USER']}@/{where['NAME']}?host={where['HOST']}"
        return {"CHANCERY_HOME": str(folder), "CHANCERY_DATABASE_URL": url}
    (folder / "chancery.sqlite3").symlink_to(where["NAME"])
    return {"CHANCERY_HOME": str(folder), "CHANCERY_DATABASE_URL": ""}


def until(done, seconds, what, step=0.02):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not in time: {what() if callable(what) else what}"
        time.sleep(step)


class Stand:
    """Starts workers and servers, each in a process group of its own; none outlives the test."""

    def __init__(self, folder, lease=3.0):
        self._log, self._lease, self._all = folder / "children.log", lease, []
        self._where = home_at(folder / "home")
        self._nests = {}
        self.clock = folder / "clock"

    @property
    def log(self):
        """What all of them have said."""
        return self._log.read_bytes()

    def start(self, *command, chaos=""):
        environment = {
            **os.environ,
            **self._where,
            "CHAOS": chaos,
            "CHAOS_LEASE": str(self._lease),
            "CHAOS_CLOCK": str(self.clock),
        }
        with self._log.open("a") as log:
            process = self._nest(environment).start(command, environment, log)
        self._all.append(process)
        return process

    def _nest(self, environment):
        """Return what forks in these settings: they were read when it was loaded."""
        given = frozenset((k, v) for k, v in environment.items() if k.startswith("CHANCERY_"))
        if given not in self._nests:
            self._nests[given] = Nest(environment)
        return self._nests[given]

    def worker(self, chaos=""):
        return self.start("worker", "--processes", "1", chaos=chaos)

    def kill(self, process):
        """Kill -9 a process with everything that it started."""
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def stop(self, process):
        """Ask a process to end, as an administrator does."""
        process.terminate()
        code = process.wait(60)
        assert code == 0, f"ended with {code}: {self.said()}"

    def settle(self, workers=1, seconds=120.0):
        """Let fresh workers finish everything that is open, then end them."""
        started = [self.worker() for _ in range(workers)]
        self.await_life(started)
        until(lambda: not open_orders(), seconds, lambda: f"{states()}\n{self.said()}", 0.1)
        for process in started:
            self.stop(process)

    def await_life(self, workers):
        """Wait until each of them has given its first sign of life."""

        def found():
            return {p.pid: "alive" if alive(p) else "silent" if p.poll() is None else p.returncode for p in workers}

        until(lambda: all(alive(p) for p in workers), START, lambda: f"no sign of life: {found()}\n{self.said()}")

    def said(self):
        return self._log.read_text()[-3000:]

    def close(self):
        with ExitStack() as ends:  # each, whatever becomes of the others
            for nest in self._nests.values():
                ends.callback(nest.close)
            for process in self._all:
                if process.poll() is None:
                    ends.callback(self.kill, process)


def disband(pool, number):
    """End a pool of so many threads, each with its connection to the database."""
    together = threading.Barrier(number)  # so that none of them does it twice

    def leave(_):
        together.wait(60)
        connections.close_all()

    list(pool.map(leave, range(number)))
    pool.shutdown()


def place(actor, profile, hosts):
    """Place one order a host name; each must be accepted."""
    placed = place_many(actor, [PlaceOrder(profile, request_pem(host)) for host in hosts])
    assert all(isinstance(order, Order) for order in placed), placed
    return placed


def alive(process):
    """Say whether a worker has given its first sign of life: from then on it obeys signals."""
    return WorkerBeat.objects.filter(pid=process.pid).exists()


def open_orders():
    return Order.objects.exclude(state__in=list(ENDS)).count()


def states():
    return dict(Counter(Order.objects.values_list("state", flat=True)))


def state(order):
    return Order.objects.get(pk=order.pk).state


def events(order):
    return list(OrderEvent.objects.filter(order=order).order_by("id").values_list("kind", flat=True))


def paid(simulator):
    """Return order id → how many orders the CA has for it."""
    return {tag.removeprefix("chancery:"): n for tag, n in simulator.ledger.orders_by_reference().items()}
