"""A connector is edited, or switched off and on, while fifty calls at once go out: what begins after the commit goes by it."""

import random
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connections

from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.authorities.digicert.authority import DigiCert
from chancery.engine import gate
from chancery.engine.worker import Worker
from tests.cast import digicert_values
from tests.chaos.stand import paid, place, states, until
from tests.chaos.test_barriers import Watched, two  # noqa: F401  the fixture
from tests.chaos.test_random_kills import SEED

pytestmark = pytest.mark.django_db(transaction=True)
LATE = 0.15
"""Seconds that the CA takes for an answer, so that calls are under way whenever something changes."""
SIZES = [(40, 3, 8), pytest.param(1500, 60, 50, marks=pytest.mark.long)]
"""Orders, changes among them, and calls at once."""


class Load:
    """A worker of many seats on a thread of its own, and the moment of each last look before a first byte."""

    def __init__(self, monkeypatch, seats):
        # As fast as the connector can be called, so that something is under way whenever it is changed.
        facts = replace(DigiCert.facts, calls_per_second=500, burst=500, concurrency=seats, lease=timedelta(seconds=60))
        monkeypatch.setattr(DigiCert, "facts", facts)
        self.rng, self.looks, self.most = random.Random(SEED), [], 0
        plain, self._stop = gate.still, threading.Event()

        def still(jobs):
            begun = time.monotonic()
            answers = plain(jobs)
            self.looks += [(begun, job.row, job.version, yes) for job, yes in zip(jobs, answers, strict=True)]
            return answers

        monkeypatch.setattr(gate, "still", still)
        self._thread = threading.Thread(target=self._work, name="load")

    def _work(self):
        worker = Worker()
        watched = worker._dispatch

        def dispatch(built, jobs):
            self.most = max(self.most, worker._pacer.busy())
            watched(built, jobs)

        worker._dispatch = dispatch
        try:
            worker.run(self._stop)
        finally:
            worker.close()
            connections.close_all()

    @contextmanager
    def running(self):
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(60)

    def changes(self, total, number, change):
        """Make a change at `number` random moments of the work on `total` orders, then wait for the rest."""
        for at in range(number):
            share = total * (at + self.rng.random()) / (number + 1)
            until(lambda: len(self.begun()) >= share, 300, lambda: (states(), len(self.looks)), 0.001)
            change(at)
        until(lambda: states() == {"issued": total}, 300, states)

    def begun(self):
        """Return order → the looks after which its submission began."""
        found = {}
        for look in list(self.looks):
            if look[3]:
                found.setdefault(look[1], []).append(look)
        return found


def ordered(cast, total):
    hosts = [f"u{number}.example.com" for number in range(total)]
    for start in range(0, total, 500):
        place(cast.rob, "Public", hosts[start : start + 500])


@pytest.mark.parametrize(("total", "number", "seats"), SIZES)
def test_what_is_switched_off_begins_nothing(cast, digicert, simulator, monkeypatch, say, result, total, number, seats):
    simulator.dials.set(delay=LATE)
    load, off, counted = Load(monkeypatch, seats), [], []

    def switch(_):
        before = len(simulator.ledger.lines("order"))
        reported = connectors.deactivate(cast.ada, digicert.pk).submissions
        done = time.monotonic()
        time.sleep(load.rng.uniform(0.05, 0.6))
        counted.append((len(simulator.ledger.lines("order")) - before, reported))
        off.append((done, time.monotonic()))
        connectors.activate(cast.ada, digicert.pk)

    ordered(cast, total)
    with load.running():
        load.changes(total, number, switch)
    late = [look for look in load.looks if look[3] and any(start < look[0] < end for start, end in off)]
    unit = (
        f"submissions begun after a deactivation, of {total} orders over {number} deactivations with up to {load.most} calls "
        f"at once; {sum(n for n, _ in counted)} that were under way went through of {sum(r for _, r in counted)} that were reported"
    )
    say(f"seed {SEED}: {len(late)} {unit}")
    result("R23", len(late), unit, SEED)
    assert late == []
    assert any(reported for _, reported in counted), "nothing was under way at any of them"
    assert paid(simulator) == dict.fromkeys((str(pk) for pk in Order.objects.values_list("pk", flat=True)), 1)
    assert simulator.ledger.lines("revoke") == []


@pytest.mark.parametrize(("total", "number", "seats"), SIZES)
def test_an_edit_counts_at_once(cast, two, monkeypatch, say, result, total, number, seats):
    from chancery.apps.profiles import actions as profiles

    for one in two:
        one.sim.dials.set(delay=LATE)
    load = Load(monkeypatch, seats)
    made = connectors.create(cast.ada, "digicert", digicert_values(two[0].sim))
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(cast.ada, {"name": "Public", "connector": "DigiCert", "product": product})
    # Version → the CA to which it leads, and when it was surely no longer the one in force.
    leads, ended, now = {made.current_id: two[0]}, {}, [made.current_id]

    def edit(at):
        row, there = Connector.objects.get(pk=made.pk), two[(at + 1) % 2]
        fresh = connectors.edit(cast.ada, row.pk, row.revision, digicert_values(there.sim))
        ended[now[0]] = time.monotonic()
        now[0] = fresh.current_id
        leads[fresh.current_id] = there

    ordered(cast, total)
    with load.running():
        load.changes(total, number, edit)
    late = [look for look in load.looks if look[3] and look[0] > ended.get(look[2], float("inf"))]
    unit = (
        f"requests begun with old settings after the commit, of {total} orders over {number} edits of address and credential "
        f"with up to {load.most} calls at once in one worker"
    )
    say(f"seed {SEED}: {len(late)} {unit}")
    result("R24", len(late), unit, SEED)
    assert late == []
    assert load.most > 1
    began = load.begun()
    assert len(began) == total
    for one in two:
        mine = {str(row): 1 for row, looks in began.items() if leads[looks[-1][2]] is one}
        assert mine
        assert paid(one.sim) == mine
        assert set(one.shown) == {one.key}, "a credential was shown to a CA that it was not entered for"
