"""Seats: whatever happens to a job, what came of it is told once."""

import logging
from types import SimpleNamespace

import pytest

from chancery.core.clock import SYSTEM_CLOCK
from chancery.engine import seats as module
from chancery.engine.build import Built
from chancery.engine.jobs import Cancelled, Kind
from chancery.engine.seats import Seats
from chancery.engine.tests.kit import job

BUILT = Built(None, None, ("toy", (), ()))


@pytest.fixture
def seats():
    made = Seats(SYSTEM_CLOCK, 1)
    yield made
    made.close()


@pytest.fixture
def heard():
    return []


def full(seats, monkeypatch, *, at_once):
    """No thread can be had; yet what was submitted stands in the queue, as the executor does it. Returns the queue."""
    left, threads = [], seats._threads

    def submit(act, *args):
        left.append(lambda: act(*args))
        if at_once:
            left[-1]()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(seats, "_threads", SimpleNamespace(submit=submit, shutdown=threads.shutdown))
    return left


def test_what_was_told_as_not_sent_is_not_sent_by_a_seat_that_becomes_free(seats, heard, monkeypatch, caplog):
    monkeypatch.setattr(module, "do", lambda *_: pytest.fail("it is done all the same"))
    left = full(seats, monkeypatch, at_once=False)
    seats.take(BUILT, job(), lambda *told: heard.append(told))
    left[0]()
    ((failed, _),) = heard
    assert (failed.kind, failed.bytes_sent) == ("Bug", False)
    assert "a seat could not be taken: RuntimeError" in caplog.text


def test_what_a_seat_has_begun_meanwhile_is_told_by_it_alone(seats, heard, monkeypatch):
    monkeypatch.setattr(module, "do", lambda *_: Cancelled())
    full(seats, monkeypatch, at_once=True)
    seats.take(BUILT, job(), lambda *told: heard.append(told))
    assert [told[0] for told in heard] == [Cancelled()]


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), TypeError()])
def test_what_ends_a_thread_is_an_answer_too(seats, heard, monkeypatch, caplog, error):
    def odd(*_):
        raise error

    monkeypatch.setattr(module, "do", odd)
    with caplog.at_level(logging.ERROR):
        seats._threads.submit(lambda: None).result(10)
        seats.take(BUILT, job(Kind.POLL), lambda *told: heard.append(told))
        seats._threads.submit(lambda: None).result(10)
    ((failed, _),) = heard
    assert (failed.kind, failed.bytes_sent) == ("Bug", True)
    assert type(error).__name__ in caplog.text
