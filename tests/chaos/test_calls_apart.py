"""Under load a worker calls from a process of its own: what becomes of orders when that is killed, and when the worker is."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import OrderEvent
from tests.chaos.stand import open_orders, paid, place, states, until
from tests.chaos.test_orphans import members

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc"),
]
ORDERS, SLOW = 60, 0.3


def spawned(worker):
    """Return the worker's process for calls: nothing is signed here, so no other one is spawned."""
    found = [pid for pid in members(worker.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found[0] if found else 0


class Calling:
    """Workers that are given so much to do that they call from a process of its own."""

    def __init__(self, stand, simulator, actor):
        self.stand, self.simulator, self.actor, self.placed = stand, simulator, actor, []

    def more(self):
        number = len(self.placed)
        self.placed += place(self.actor, "Public", [f"c{number + n}.example.com" for n in range(ORDERS)])

    def loaded(self):
        """Return a worker whose process for calls has some of them under way."""
        worker = self.stand.worker()
        self.stand.await_life([worker])
        self.simulator.dials.reset()
        until(lambda: self.is_served(worker), 120, lambda: f"no process for calls: {states()} {self.stand.said()}")
        # From here on the CA takes its time, so that something is under way whenever that is.
        self.simulator.dials.set(delay=SLOW)
        self.more()
        until(lambda: states().get("submitting"), 60, states)
        # From the commit of the intent to the call it is a moment; the calls of so many orders take seconds.
        time.sleep(SLOW / 2)
        return worker

    def is_served(self, worker):
        """Keep the worker under load, and say whether its process for calls has begun to serve: it has threads then."""
        if open_orders() < ORDERS // 2:
            self.more()
        pid = spawned(worker)
        return bool(pid) and sum(1 for _ in Path(f"/proc/{pid}/task").iterdir()) > 5


@pytest.fixture
def calling(stand, simulator, cast, digicert):
    made = Calling(stand, simulator, cast.rob)
    yield made
    simulator.dials.reset()


def judge(calling):
    assert states() == {"issued": len(calling.placed)}
    assert paid(calling.simulator) == {str(order.pk): 1 for order in calling.placed}
    assert Counter(Certificate.objects.values_list("order", flat=True)) == Counter(o.pk for o in calling.placed)


def test_a_killed_process_for_calls_loses_and_doubles_nothing(calling):
    worker = calling.loaded()
    os.kill(spawned(worker), signal.SIGKILL)
    until(lambda: not open_orders(), 120, lambda: f"{states()} {calling.stand.said()}")
    judge(calling)
    assert "the process for calls ended" in calling.stand.log.decode()
    assert OrderEvent.objects.filter(kind="order.outcome_unknown").exists(), "nothing was under way"
    calling.stand.stop(worker)


@pytest.mark.long
def test_a_killed_worker_takes_it_along_and_another_goes_on(calling):
    worker = calling.loaded()
    worker.kill()
    worker.wait(10)
    until(lambda: not members(worker.pid), 10, lambda: f"left behind: {members(worker.pid)}")
    calling.simulator.dials.reset()
    calling.stand.settle()
    judge(calling)


@pytest.mark.long
def test_a_worker_that_is_told_to_stop_waits_for_it_and_ends_it(calling):
    """A service manager tells both at once."""
    worker = calling.loaded()
    os.killpg(worker.pid, signal.SIGTERM)
    assert worker.wait(60) == 0
    until(lambda: not members(worker.pid), 10, lambda: f"left behind: {members(worker.pid)}")
    assert not states().get("submitting"), "what was under way is recorded"
    assert not states().get("outcome_unknown")
    calling.simulator.dials.reset()
    calling.stand.settle()
    judge(calling)
