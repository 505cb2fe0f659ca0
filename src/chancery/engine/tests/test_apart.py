"""The process for calls as the worker sees it: it takes jobs once it is ready, and what it loses is told."""

import logging
import os
import pickle
import threading
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest

from chancery.core.clock import ManualClock
from chancery.engine import apart as aparts
from chancery.engine.apart import Apart
from chancery.engine.jobs import Cancelled
from chancery.engine.tests.kit import job
from chancery.engine.work import UNFIT

BUILT = object()


class Thread(threading.Thread):
    """A process that is a thread: its end of the pipe is the test's, whose closing is its death."""

    made: list = []

    def __init__(self, target, args, name, daemon):
        super().__init__(target=self._wait, daemon=daemon)
        self.pipe, self.over, self.killed = args[0], threading.Event(), 0
        Thread.made.append(self)

    def start(self):
        # As a process of its own has its own: the worker closes its copy.
        self.pipe = Connection(os.dup(self.pipe.fileno()))
        super().start()

    def _wait(self):
        self.over.wait(30)

    def kill(self):
        self.killed += 1
        if not self.over.is_set():
            self.over.set()
            self.pipe.close()


@pytest.fixture
def clock():
    return ManualClock(datetime(2026, 11, 27, tzinfo=UTC))


@pytest.fixture
def heard():
    return []


@pytest.fixture
def own():
    return []


@pytest.fixture
def apart(clock, heard, own, monkeypatch):
    plain = aparts.multiprocessing.get_context("spawn")
    context = SimpleNamespace(Pipe=plain.Pipe, Process=Thread)
    monkeypatch.setattr(aparts.multiprocessing, "get_context", lambda _: context)
    monkeypatch.setattr(aparts.multiprocessing.util, "Finalize", lambda *_, **__: None)
    monkeypatch.setattr(aparts, "_END", 0.2)
    monkeypatch.setattr(Thread, "made", [])
    made = Apart(clock, lambda *told: heard.append(told), lambda built, back: own.append((built, back)))
    yield made
    made.close()
    assert not any(process.is_alive() for process in Thread.made)


def wait(condition):
    until = threading.Event()
    for _ in range(1000):
        if condition():
            return
        until.wait(0.01)
    pytest.fail("it did not come about")


def ready(apart):
    """Begin, and have the process say that it is ready; returns it."""
    apart.begin()
    Thread.made[-1].pipe.send(True)
    wait(lambda: apart._ready)
    return Thread.made[-1]


def cancelled(number, seconds=0.5):
    return number, pickle.dumps(Cancelled()), seconds


def test_it_takes_nothing_before_it_is_begun_and_before_it_is_ready(apart):
    assert not apart.take(BUILT, [job()])
    apart.begin()
    assert not apart.take(BUILT, [job()])
    Thread.made[0].pipe.send(True)
    wait(lambda: apart.take(BUILT, [job()]))


def test_it_is_begun_once(apart):
    apart.begin()
    apart.begin()
    assert len(Thread.made) == 1


def test_one_that_does_not_get_ready_is_ended_and_another_is_begun(apart, clock):
    apart.begin()
    clock.advance(timedelta(seconds=61))
    apart.begin()
    wait(lambda: apart._process is None)
    assert Thread.made[0].killed
    clock.advance(timedelta(seconds=60))
    apart.begin()
    assert len(Thread.made) == 2


def test_what_came_of_a_job_is_told(apart, heard):
    process = ready(apart)
    first, second = job(), job()
    assert apart.take(BUILT, [first, second])
    (one, n), (two, m) = process.pipe.recv()
    assert (one, two) == (first, second)
    process.pipe.send([cancelled(m)])
    process.pipe.send([cancelled(n, 0.25)])
    wait(lambda: len(heard) == 2)
    assert heard == [(second, Cancelled(), 0.5), (first, Cancelled(), 0.25)]


def test_what_it_did_not_begin_is_done_by_the_workers_own_seats(apart, heard, own):
    process = ready(apart)
    taken = job()
    assert apart.take(BUILT, [taken])
    ((_, number),) = process.pipe.recv()
    process.pipe.send([(number, None, 0.0)])
    wait(lambda: own)
    assert own == [(BUILT, taken)]
    assert heard == []


def test_what_cannot_be_read_of_one_job_is_told_of_that_one_alone(apart, heard):
    process = ready(apart)
    assert apart.take(BUILT, [job(), job()])
    (_, n), (_, m) = process.pipe.recv()
    process.pipe.send([(n, b"no pickle", 0.5), cancelled(m)])
    wait(lambda: len(heard) == 2)
    assert [told[1] for told in heard] == [UNFIT, Cancelled()]


def test_what_it_had_when_it_ended_may_be_at_the_ca_and_another_is_begun_a_minute_later(apart, heard, clock, caplog):
    process = ready(apart)
    taken = job()
    assert apart.take(BUILT, [taken])
    process.pipe.recv()
    with caplog.at_level(logging.ERROR):
        process.kill()
        wait(lambda: heard)
    assert "the process for calls ended" in caplog.text
    ((told, failed, _),) = heard
    assert told == taken
    assert (failed.kind, failed.bytes_sent) == ("Bug", True)
    assert not apart.take(BUILT, [job()])
    apart.begin()
    assert len(Thread.made) == 1
    clock.advance(timedelta(seconds=60))
    process = ready(apart)
    assert apart.take(BUILT, [job()])
    assert len(process.pipe.recv()) == 1
    assert len(Thread.made) == 2


def test_what_makes_no_sense_ends_it(apart, heard):
    process = ready(apart)
    assert apart.take(BUILT, [job()])
    process.pipe.recv()
    process.pipe.send_bytes(b"no pickle")
    wait(lambda: heard)
    assert process.killed


def test_what_cannot_be_written_is_done_here_and_the_next_is_taken(apart, heard, own):
    process = ready(apart)
    odd = job(extra={"lock": threading.Lock()})
    assert apart.take(BUILT, [odd])
    wait(lambda: own)
    assert own == [(BUILT, odd)]
    following = job()
    wait(lambda: apart.take(BUILT, [following]))
    assert process.pipe.recv()[0][0] == following
    assert heard == []


def test_a_process_that_reads_nothing_keeps_nobody_waiting_and_what_it_never_got_is_done_here(apart, own, heard):
    """Stopped, or swapped out: its pipe is full, and the turn goes on."""
    process = ready(apart)
    big = [job(extra={"text": "x" * 2_000_000}) for _ in range(3)]
    assert apart.take(BUILT, [big[0]])
    assert apart.take(BUILT, [big[1]])
    assert not apart.take(BUILT, [big[2]])
    process.kill()
    wait(lambda: len(own) == 2)
    assert [back for _, back in own] == big[:2]
    assert heard == []


@pytest.mark.parametrize("without", ["process", "thread"])
def test_one_that_cannot_be_started_is_done_without(apart, clock, monkeypatch, caplog, without):
    def refuse(*_, **__):
        raise OSError("no memory")

    if without == "process":
        monkeypatch.setattr(aparts.multiprocessing, "get_context", refuse)
    else:
        monkeypatch.setattr(aparts.threading, "Thread", refuse)
    apart.begin()
    apart.begin()
    assert caplog.text.count("cannot be started: OSError") == 1
    assert not apart.take(BUILT, [job()])
    assert apart._process is None
    assert all(process.killed for process in Thread.made)


def test_at_the_end_it_is_told_and_then_ended_and_none_is_begun_any_more(apart, heard, caplog):
    process = ready(apart)
    apart.close()
    assert process.pipe.closed
    assert process.killed
    assert heard == []
    assert caplog.text == ""
    apart.begin()
    assert len(Thread.made) == 1


def test_one_that_ends_by_itself_when_told_is_not_waited_for(apart, monkeypatch):
    monkeypatch.setattr(aparts, "_END", 30.0)
    process = ready(apart)
    leaving = threading.Thread(target=lambda: process.pipe.recv() is None and process.over.set())
    leaving.start()
    apart.close()
    leaving.join(10)
    assert process.over.is_set()
