"""The process that calls CAs for a worker: what it does with what comes, and that nothing ends it but its worker."""

import logging
import multiprocessing
import pickle
import threading
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import DatabaseError

from chancery import __version__
from chancery.core.clock import SYSTEM_CLOCK
from chancery.engine import calling
from chancery.engine.jobs import Cancelled, Waiting
from chancery.engine.tests.kit import job
from chancery.engine.work import UNFIT
from chancery.sdk.outcome import Pending


class Calls:
    """Seats that answer at once with what the test says, through a connector that can be built or not."""

    def __init__(self):
        self.result, self.broken, self.built = Cancelled(), [], []
        self.builder = SimpleNamespace(version=self._version)

    def _version(self, slug, version):
        self.built.append(version)
        if self.broken:
            raise self.broken.pop()
        return slug, version

    def take(self, built, taken, done):
        assert built == (taken.authority, taken.version)
        done(self.result() if callable(self.result) else self.result, 0.25)


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture
def ends():
    return []


@pytest.fixture
def served(calls, ends):
    """The worker's end of the pipe, and the thread that serves the other."""
    mine, other = multiprocessing.Pipe()
    thread = threading.Thread(target=calling.serve, args=(other, calls, ends.append))
    thread.start()
    assert mine.recv() is True
    yield mine, thread, other
    if not mine.closed:
        mine.send(None)
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def worker(served):
    return served[0]


def told(worker, *numbers):
    found = {}
    while len(found) < len(numbers):
        assert worker.poll(10)
        for number, result, seconds in worker.recv():
            found[number] = (result and pickle.loads(result), seconds)
    assert set(found) == set(numbers)
    return found


def test_what_came_of_each_job_is_told_under_its_number(worker):
    worker.send([(job(), 7), (job(), 8)])
    assert told(worker, 7, 8) == {7: (Cancelled(), 0.25), 8: (Cancelled(), 0.25)}


def test_what_cannot_be_built_here_was_not_begun_and_is_tried_once_for_all_that_came_with_it(worker, calls):
    calls.broken = [ValueError()]
    broken, works = uuid4(), uuid4()
    worker.send([(job(version=broken), 1), (job(version=broken), 2), (job(version=works), 3)])
    found = told(worker, 1, 2, 3)
    assert (found[1], found[2], found[3]) == ((None, 0.0), (None, 0.0), (Cancelled(), 0.25))
    assert calls.built == [broken, works]
    worker.send([(job(version=broken), 4)])
    assert told(worker, 4)[4][0] == Cancelled()


def test_a_database_that_was_away_is_asked_over_a_fresh_connection(worker, calls, monkeypatch):
    closed = []
    monkeypatch.setattr(calling, "connection", SimpleNamespace(close=lambda: closed.append(1)))
    calls.broken = [DatabaseError()]
    worker.send([(job(), 1)])
    assert told(worker, 1)[1][0] == Cancelled()
    assert closed == [1]


def test_what_cannot_be_passed_on_keeps_no_other_from_it(worker, calls):
    odd = iter([Waiting(Pending({"why": threading.Lock()}))])
    calls.result = lambda: next(odd, Cancelled())
    worker.send([(job(), n) for n in range(3)])
    found = told(worker, 0, 1, 2)
    assert found[0][0] == UNFIT
    assert UNFIT.bytes_sent, "the CA may have it"
    assert (found[1][0], found[2][0]) == (Cancelled(), Cancelled())


def test_it_reads_on_while_what_it_calls_through_is_not_to_be_had(worker, calls):
    """A key store or a database that does not answer may not keep the worker waiting."""
    away = threading.Event()
    calls.builder = SimpleNamespace(version=lambda slug, version: away.wait(10) and (slug, version))
    big = job(extra={"text": "x" * 1_000_000})
    worker.send([(big, 1)])
    worker.send([(big, 2)])
    away.set()
    told(worker, 1, 2)


def test_without_a_worker_it_ends(served, ends, caplog):
    mine, thread, other = served
    mine.close()
    thread.join(10)
    assert not thread.is_alive()
    with caplog.at_level(logging.ERROR):
        answers = calling.queue.SimpleQueue()
        answers.put((1, None, 0.0))
        calling._answer(other, answers, ends.append)
    assert ends == [1], "nothing could be told any more"
    assert "cannot answer" in caplog.text


@pytest.fixture
def running(monkeypatch):
    """What `run` says and does, in the order in which it does."""
    said = []
    monkeypatch.setattr(calling.signal, "signal", lambda number, handler: said.append((number, handler)))
    monkeypatch.setattr(calling.cpu, "follow", lambda: said.append("follows"))
    monkeypatch.setattr(calling.looking, "only", False)
    monkeypatch.setattr("django.setup", lambda: said.append(f"tables, looks only: {calling.looking.only}"))
    monkeypatch.setattr("chancery.apps.shared.settling.settle", lambda: None)
    monkeypatch.setattr("chancery.apps.shared.action.use_clock", said.append)
    monkeypatch.setattr(calling, "serve", lambda pipe, seats, end: said.append(pipe))
    monkeypatch.setattr(calling.os, "_exit", said.append)
    return said


IGNORED = [(number, calling.signal.SIG_IGN) for number in (calling.signal.SIGINT, calling.signal.SIGTERM)]


def test_it_ends_when_it_has_served_and_no_signal_ends_it(running):
    calling.run("pipe", __version__, SYSTEM_CLOCK)
    assert running == [*IGNORED, "follows", "tables, looks only: True", SYSTEM_CLOCK, "pipe", 0]


def test_of_another_release_it_serves_nobody(running):
    calling.run("pipe", "0.0.1", SYSTEM_CLOCK)
    assert running == [*IGNORED, "follows", 0]


def test_whatever_fails_it_ends(running, monkeypatch, caplog):
    monkeypatch.setattr(calling, "serve", lambda *_: 1 / 0)
    calling.run("pipe", __version__, SYSTEM_CLOCK)
    assert running[-1] == 0
    assert "cannot go on: ZeroDivisionError" in caplog.text
