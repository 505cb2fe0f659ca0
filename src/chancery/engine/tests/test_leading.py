"""One worker leads; one that died is replaced, and one that was paused does no harm."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.db.models import F

from chancery.apps.connectors.models import Call
from chancery.apps.health.models import Duty, Lead
from chancery.apps.health.tests.test_health import NOW
from chancery.core.clock import ManualClock
from chancery.engine import duties, leading, timers
from chancery.engine.duties import Round, once
from chancery.engine.leading import LEASE, Leading

pytestmark = pytest.mark.django_db
postgresql = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="on SQLite there is one worker")
SECOND = timedelta(seconds=1)


class Pair:
    """Two workers with clocks of their own; the lease's time is the database's, which `pass_` moves by moving the row."""

    def __init__(self):
        self.clocks = ManualClock(NOW), ManualClock(NOW + timedelta(hours=3))
        self.first, self.second = (Leading(uuid4(), clock) for clock in self.clocks)

    def pass_(self, step, *clocks):
        Lead.objects.update(until=F("until") - step)
        for clock in clocks or self.clocks:
            clock.advance(step)


@pytest.fixture
def pair(db):
    made = Pair()
    made.first.renew()
    made.second.renew()
    return made


@postgresql
def test_one_leads_whatever_their_clocks_say_and_a_dead_one_is_replaced(pair):
    assert (pair.first.held, pair.second.held) == (True, False)
    for _ in range(3):
        pair.pass_(SECOND)
        pair.first.renew()
        pair.second.renew()
        assert (pair.first.held, pair.second.held) == (True, False)
    before = Lead.objects.get().fence
    pair.pass_(LEASE + SECOND)
    pair.second.renew()
    assert (pair.first.held, pair.second.held) == (False, True)
    assert Lead.objects.get().fence == before + 1


@postgresql
def test_one_that_was_paused_does_nothing_when_it_wakes_up(pair, desk, monkeypatch):
    # Its own clock stood still meanwhile, as that of a suspended machine does, so it believes that it leads.
    pair.pass_(LEASE + SECOND, pair.clocks[1])
    pair.second.renew()
    assert pair.first.held
    assert not pair.first.still()
    done = []
    act = lambda now, state: done.append(now) or state  # noqa: E731  reads as the duty it is
    one = Round("a", SECOND, act)
    Duty.objects.create(name="a", next_at=NOW)
    assert not once(one, NOW, pair.first.still)
    assert once(one, NOW, pair.second.still)
    assert done == [NOW]


@postgresql
def test_who_ends_in_order_leaves_the_lead_to_the_next_at_once(pair):
    pair.first.resign()
    pair.pass_(SECOND)
    pair.second.renew()
    assert (pair.first.held, pair.second.held) == (False, True)


def test_the_lead_is_asked_for_once_a_second(django_assert_num_queries):
    clock = ManualClock(NOW)
    one = Leading(uuid4(), clock)
    one.renew()
    assert one.held
    with django_assert_num_queries(0):
        one.renew()
    one.resign()
    assert not one.held
    with django_assert_num_queries(0):
        one.resign()


def test_on_sqlite_whoever_runs_leads(pair):
    if connection.vendor == "sqlite":
        assert pair.second.held
        assert not pair.first.still()
    else:
        assert not pair.second.still()


def test_a_database_that_is_away_ends_the_lead_with_its_lease(monkeypatch, caplog):
    one = Leading(uuid4(), ManualClock(NOW))
    one.renew()

    def gone(*args, **more):
        raise DatabaseError

    monkeypatch.setattr(leading.Lead.objects, "filter", gone)
    one.resign()
    assert not one.held
    assert "when the lease is over" in caplog.text
    caplog.clear()


def test_of_two_that_see_the_same_probe_due_one_writes_it(desk, monkeypatch):
    """Both read the row before either has changed it: the second's condition no longer holds."""
    plain = timers._probe
    inner = []

    def probe(row, now):
        plain(row, now)
        if not inner:
            inner.append(row)
            row.probe_at = None  # what the other one read is what the row said before
            stale = type(row).objects.filter(pk=row.pk, probe_at=desk.now - SECOND)
            assert stale.update(probe_at=now) == 0

    monkeypatch.setattr(timers, "_probe", probe)
    timers.probes(desk.now)
    assert inner
    timers.probes(desk.now)
    assert Call.objects.count() == 1


def test_a_worker_that_does_not_lead_leaves_what_comes_round_to_others(desk, monkeypatch):
    from chancery.engine.worker import Worker

    worker = Worker()
    monkeypatch.setattr(worker.leading, "renew", lambda: None)
    monkeypatch.setattr(duties, "ROUNDS", ())
    worker.turn()
    assert not Call.objects.exists()
    worker._last_beat = float("-inf")
    monkeypatch.undo()
    worker.turn()
    assert Call.objects.count() == 1
    worker.close()


def test_a_thread_of_the_notary_waits_for_the_lead_and_takes_its_last_round_all_the_same(monkeypatch):
    from chancery.engine import notary

    rounds, leads = [], threading.Event()
    ended = threading.Event()
    monkeypatch.setattr(notary, "EVERY", 0.001)
    monkeypatch.setattr(notary.connections, "close_all", lambda: None)

    def step():
        rounds.append(leads.is_set())
        return False

    def asked():
        if len(asks) == 3:
            ended.set()
        asks.append(1)
        return False

    asks = []
    notary._rounds(step, ended, asked)
    assert len(asks) >= 3
    assert rounds == [False]
