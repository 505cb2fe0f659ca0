"""The last look before the first byte: without a clear yes nothing is sent."""

import logging
import threading
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import DatabaseError

from chancery.apps.connectors.models import Connector
from chancery.engine import gate as gates
from chancery.engine.gate import Gate
from chancery.engine.jobs import Kind
from chancery.engine.tests.kit import job
from chancery.engine.work import StopHere


@pytest.fixture
def gate(monkeypatch):
    made = Gate()
    yield made
    made.close()


def asked(gate, monkeypatch, *answers, kind=Kind.SUBMIT):
    left = iter(answers)

    def still(jobs):
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return [answer for _ in jobs]

    monkeypatch.setattr(gates, "still", still)
    monkeypatch.setattr(gates, "connection", SimpleNamespace(close=lambda: None))
    gate.enter(job(kind))
    gate.before_send()


def test_yes_lets_it_out(gate, monkeypatch):
    asked(gate, monkeypatch, True)


def test_what_follows_the_first_effect_of_a_submission_goes_too_and_the_next_submission_asks_again(gate, monkeypatch):
    """The connector is switched off while the CA has the order: its confirmation must not count as never sent."""
    asked(gate, monkeypatch, True, False)
    gate.before_send()
    gate.enter(job(Kind.SUBMIT))
    with pytest.raises(StopHere):
        gate.before_send()


def test_only_submissions_ask(gate, monkeypatch):
    asked(gate, monkeypatch, kind=Kind.POLL)
    gate.enter(None)
    gate.before_send()


def test_no_stops_it(gate, monkeypatch):
    with pytest.raises(StopHere):
        asked(gate, monkeypatch, False)


def test_a_dropped_connection_is_asked_once_more(gate, monkeypatch):
    asked(gate, monkeypatch, DatabaseError(), True)
    with pytest.raises(StopHere):
        asked(gate, monkeypatch, DatabaseError(), DatabaseError())


def test_an_unforeseen_error_is_a_no(gate, monkeypatch, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(StopHere):
        asked(gate, monkeypatch, ValueError("hunter2"))
    assert "the last look failed: ValueError" in caplog.text
    assert "hunter2" not in caplog.text
    caplog.clear()


def test_no_answer_in_time_is_a_no(gate, monkeypatch):
    monkeypatch.setattr(gates, "_TIMEOUT", 0.01)
    gate._questions.put(None)
    with pytest.raises(StopHere):
        asked(gate, monkeypatch)


def test_seats_that_ask_together_are_answered_by_one_look(gate, monkeypatch):
    looks, held = [], threading.Event()

    def still(jobs):
        looks.append(len(jobs))
        held.wait(20)
        return [n % 2 == 0 for n in range(len(jobs))]

    monkeypatch.setattr(gates, "still", still)
    answers = [Future() for _ in range(5)]
    for answer in answers:
        gate._questions.put((job(Kind.SUBMIT), answer))
    held.set()
    assert sum(answer.result(20) for answer in answers) in {3, 4}
    assert sum(looks) == 5
    assert len(looks) <= 2


def test_an_end_among_the_questions_ends_it_after_them(gate, monkeypatch):
    begun, held = threading.Event(), threading.Event()

    def still(jobs):
        begun.set()
        held.wait(20)
        return [True for _ in jobs]

    monkeypatch.setattr(gates, "still", still)
    answers = [Future() for _ in range(2)]
    gate._questions.put((job(Kind.SUBMIT), answers[0]))
    begun.wait(20)
    gate._questions.put((job(Kind.SUBMIT), answers[1]))
    gate._questions.put(None)
    held.set()
    assert [answer.result(20) for answer in answers] == [True, True]
    gate._thread.join(20)
    assert not gate._thread.is_alive()


@pytest.mark.django_db
def test_only_who_still_holds_the_order_for_an_unchanged_active_connector_sends_it(desk):
    connector = Connector.objects.filter(pk=desk.connector.pk)
    order = desk.order(lease_until=desk.now)
    claimed = desk.job(order, Kind.SUBMIT)
    foreign = [replace(claimed, fence=uuid4()), replace(claimed, connector=uuid4())]
    assert gates.still([foreign[0], claimed, foreign[1]]) == [False, True, False]
    for changed, restored in (
        ({"status": "inactive"}, {"status": "active"}),
        ({"epoch": 99}, {"epoch": claimed.epoch}),
    ):
        connector.update(**changed)
        assert gates.still([claimed]) == [False]
        connector.update(**restored)
        assert gates.still([claimed]) == [True]
    connector.update(deleted_at=desk.now)
    assert gates.still([claimed]) == [False]


@pytest.mark.django_db
def test_a_lease_that_ran_out_sends_nothing(desk):
    order = desk.order(lease_until=desk.now - timedelta(days=1))
    assert gates.still([desk.job(order, Kind.SUBMIT)]) == [False]
