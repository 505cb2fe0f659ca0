"""The process that calls CAs for a worker: what it does with what comes, and that nothing ends it but its worker."""

import multiprocessing
import queue
import threading
from types import SimpleNamespace

import pytest
from django.db import DatabaseError

from chancery.engine import calling
from chancery.engine.jobs import Cancelled, Failed, Waiting
from chancery.engine.tests.kit import job
from chancery.sdk.outcome import Pending


class Calls:
    """Seats that answer at once with what the test says, through a connector that can be built or not."""

    def __init__(self):
        self.result, self.broken = Cancelled(), []
        self.builder = SimpleNamespace(version=self._version)

    def _version(self, slug, version):
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
def worker(calls):
    """The worker's end of the pipe."""
    mine, other = multiprocessing.Pipe()
    thread = threading.Thread(target=calling.serve, args=(other, calls))
    thread.start()
    assert mine.recv() is True
    yield mine
    mine.send(None)
    thread.join(10)
    assert not thread.is_alive()


def told(worker, *numbers):
    found = {}
    while len(found) < len(numbers):
        assert worker.poll(10)
        found |= {number: (result, seconds) for number, result, seconds in worker.recv()}
    assert set(found) == set(numbers)
    return found


def test_what_came_of_each_job_is_told_under_its_number(worker):
    worker.send([(job(), 7), (job(), 8)])
    assert told(worker, 7, 8) == {7: (Cancelled(), 0.25), 8: (Cancelled(), 0.25)}


def test_what_cannot_be_built_was_not_sent(worker, calls):
    calls.broken = [ValueError()]
    worker.send([(job(), 1), (job(), 2)])
    found = told(worker, 1, 2)
    assert (found[1][0].kind, found[1][0].bytes_sent) == ("Bug", False)
    assert found[2][0] == Cancelled()


def test_a_database_that_was_away_is_asked_over_a_fresh_connection(worker, calls, monkeypatch):
    closed = []
    monkeypatch.setattr(calling, "connection", SimpleNamespace(close=lambda: closed.append(1)))
    calls.broken = [DatabaseError()]
    worker.send([(job(), 1)])
    assert told(worker, 1)[1][0] == Cancelled()
    assert closed == [1]


@pytest.mark.parametrize("number", [1, 3])
def test_what_cannot_be_passed_on_keeps_no_other_from_it(worker, calls, number):
    odd = iter([Waiting(Pending({"why": threading.Lock()}))])
    calls.result = lambda: next(odd, Cancelled())
    worker.send([(job(), n) for n in range(number)])
    found = told(worker, *range(number))
    assert isinstance(found[0][0], Failed)
    assert found[0][0].bytes_sent, "the CA may have it"
    assert all(found[n][0] == Cancelled() for n in range(1, number))


def test_without_a_worker_it_ends(calls):
    mine, other = multiprocessing.Pipe()
    mine.close()
    with pytest.raises(OSError, match=r"."):
        calling.serve(other, calls)
    mine, other = multiprocessing.Pipe()
    thread = threading.Thread(target=calling.serve, args=(other, calls))
    thread.start()
    mine.recv()
    mine.close()
    thread.join(10)
    assert not thread.is_alive()
    answers = queue.SimpleQueue()
    answers.put((1, Cancelled(), 0.0))
    calling._answer(other, answers)


def test_it_ends_when_it_has_served_and_no_signal_ends_it(monkeypatch):
    said = []
    monkeypatch.setattr(calling.signal, "signal", lambda number, handler: said.append((number, handler)))
    monkeypatch.setattr(calling.cpu, "follow", lambda: said.append("follows"))
    monkeypatch.setattr("django.setup", lambda: said.append("tables"))
    monkeypatch.setattr("chancery.apps.shared.settling.settle", lambda: None)
    monkeypatch.setattr(calling, "serve", lambda pipe, seats: said.append(pipe))
    monkeypatch.setattr(calling.os, "_exit", said.append)
    calling.run("pipe")
    ignored = [(number, calling.signal.SIG_IGN) for number in (calling.signal.SIGINT, calling.signal.SIGTERM)]
    assert said == [*ignored, "follows", "tables", "pipe", 0]
