"""The process for calls as the worker sees it: it takes jobs once it is ready, and what it loses is told."""

import logging
import os
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
def apart(clock, heard, monkeypatch):
    plain = aparts.multiprocessing.get_context("spawn")
    context = SimpleNamespace(Pipe=plain.Pipe, Process=Thread)
    monkeypatch.setattr(aparts.multiprocessing, "get_context", lambda _: context)
    monkeypatch.setattr(aparts, "_END", 0.01)
    monkeypatch.setattr(Thread, "made", [])
    made = Apart(clock, lambda *told: heard.append(told))
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


def test_it_takes_nothing_before_it_is_begun_and_before_it_is_ready(apart):
    assert not apart.take([job()])
    apart.begin()
    assert not apart.take([job()])
    Thread.made[0].pipe.send(True)
    wait(lambda: apart.take([job()]))


def test_it_is_begun_once(apart):
    apart.begin()
    apart.begin()
    assert len(Thread.made) == 1


def test_what_came_of_a_job_is_told(apart, heard):
    process = ready(apart)
    first, second = job(), job()
    assert apart.take([first, second])
    (one, n), (two, m) = process.pipe.recv()
    assert (one, two) == (first, second)
    process.pipe.send([(m, Cancelled(), 0.5)])
    process.pipe.send([(n, Cancelled(), 0.25)])
    wait(lambda: len(heard) == 2)
    assert heard == [(second, Cancelled(), 0.5), (first, Cancelled(), 0.25)]


def test_what_it_had_when_it_ended_may_be_at_the_ca_and_another_is_begun_a_minute_later(apart, heard, clock, caplog):
    process = ready(apart)
    taken = job()
    assert apart.take([taken])
    with caplog.at_level(logging.ERROR):
        process.kill()
        wait(lambda: heard)
    assert "the process for calls ended" in caplog.text
    ((told, failed, _),) = heard
    assert told == taken
    assert (failed.kind, failed.bytes_sent) == ("Bug", True)
    assert not apart.take([job()])
    apart.begin()
    assert len(Thread.made) == 1
    clock.advance(timedelta(seconds=60))
    ready(apart)
    assert apart.take([job()])
    assert len(Thread.made) == 2


def test_what_cannot_be_read_ends_it(apart, heard):
    process = ready(apart)
    assert apart.take([job()])
    process.pipe.send_bytes(b"no pickle")
    wait(lambda: heard)
    assert process.killed


def test_what_cannot_be_written_is_not_taken_and_the_next_is(apart, heard):
    ready(apart)
    odd = job(extra={"lock": threading.Lock()})
    assert not apart.take([odd])
    assert apart._jobs == {}
    assert apart.take([job()])
    assert heard == []


def test_what_it_did_not_take_is_not_told_when_it_ends(apart, heard, monkeypatch):
    process = ready(apart)
    taken = job()
    assert apart.take([taken])
    monkeypatch.setattr(apart._pipe, "send", lambda _: (_ for _ in ()).throw(BrokenPipeError))
    assert not apart.take([job()])
    process.kill()
    wait(lambda: heard)
    assert [told[0] for told in heard] == [taken]


def test_one_that_cannot_be_started_is_done_without(apart, clock, monkeypatch, caplog):
    def refuse(_):
        raise OSError("no memory")

    monkeypatch.setattr(aparts.multiprocessing, "get_context", refuse)
    apart.begin()
    apart.begin()
    assert caplog.text.count("cannot be started: OSError") == 1
    assert not apart.take([job()])


def test_at_the_end_it_is_told_and_then_ended_and_none_is_begun_any_more(apart, heard, caplog):
    process = ready(apart)
    apart.close()
    assert process.killed
    assert heard == []
    assert caplog.text == ""
    apart.begin()
    assert len(Thread.made) == 1
