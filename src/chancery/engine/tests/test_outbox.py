"""A worker sends what is due, some at a time, and records how it went."""

import threading
import time
from datetime import timedelta

import pytest

from chancery.apps.notices import actions
from chancery.apps.notices.models import Delivery
from chancery.core.clock import SYSTEM_CLOCK
from chancery.engine.outbox import Outbox
from chancery.net import notify

pytestmark = pytest.mark.django_db


def later():
    """Return a moment at which everything that was asked for is due."""
    return SYSTEM_CLOCK.now() + timedelta(minutes=1)


@pytest.fixture
def outbox():
    made = Outbox()
    yield made
    made.close()


@pytest.fixture
def tests(cast, local, monkeypatch):
    """Ask for a test of each of some new channels."""
    monkeypatch.setattr(notify, "check", lambda url: "")

    def make(number):
        for n in range(number):
            given = {"name": f"Chat {n}", "team": "Operations", "url": f"json://host.example/token-{n}"}
            actions.test(cast.ada, actions.create(cast.ada, given).pk)

    return make


def turns(outbox, done):
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        outbox.turn(later())
        threading.Event().wait(0.01)


def states():
    return sorted(Delivery.objects.values_list("state", "error"))


def test_it_is_sent_and_recorded(outbox, tests, monkeypatch):
    sent = []
    monkeypatch.setattr(notify, "send", lambda *values: sent.append(values[0].reveal()) or "")
    tests(3)
    turns(outbox, lambda: states() == [("sent", "")] * 3)
    assert sorted(sent) == [f"json://host.example/token-{n}" for n in range(3)]


def test_no_more_is_taken_than_is_sent_at_once(outbox, tests, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(notify, "send", lambda *values: "" if go.wait(10) else "too late")
    tests(3)
    outbox.turn(later())
    outbox.turn(later())
    assert Delivery.objects.filter(fence=None).count() == 1
    go.set()
    turns(outbox, lambda: states() == [("sent", "")] * 3)


def test_a_reason_and_a_bug_are_both_recorded(outbox, tests, monkeypatch):
    def send(url, *values):
        if url.reveal().endswith("0"):
            return "The service did not take it."
        raise RuntimeError("a secret")

    monkeypatch.setattr(notify, "send", send)
    tests(2)
    turns(outbox, lambda: [state for state, _ in states()] == ["failed"] * 2)
    assert [error for _, error in states()] == ["It could not be sent (RuntimeError).", "The service did not take it."]


def test_what_a_stopped_worker_did_not_send_is_left_to_its_lease(tests, monkeypatch):
    go, box = threading.Event(), Outbox()
    box._senders._max_workers = 1
    monkeypatch.setattr(notify, "send", lambda *values: "" if go.wait(10) else "too late")
    tests(2)
    box.turn(later())
    threading.Timer(0.05, go.set).start()
    box.close()
    box.turn(later())
    assert ("failed", "The worker was stopped.") in states()
