"""Seats and rates: a connector has its own, and all connectors share the worker's."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from chancery.core.clock import ManualClock
from chancery.core.pacing import Limits
from chancery.core.tests.making import NOW
from chancery.engine import pacing
from chancery.engine.claim import Ready
from chancery.engine.pacing import KEEP, SEATS, Pacer
from chancery.sdk.authority import Facts

REMOTE = Facts(certificates=None, concurrency=16, calls_per_second=100, burst=100)
LOCAL = Facts(certificates=None, concurrency=800, calls_per_second=10_000, burst=10_000, cpu_bound=True)


@pytest.fixture
def pacer(monkeypatch):
    monkeypatch.setattr(pacing, "execute", lambda sql, params: None)
    return Pacer(ManualClock(NOW), uuid4())


def ready(number, facts=REMOTE):
    """Return a connector with a row to share, which no table has to keep here."""
    ident = UUID(int=number)
    limits = Limits(facts.concurrency, facts.calls_per_second, facts.burst)
    pace = SimpleNamespace(pk=ident, tokens=None, at=None, seats={}, turn=0, save=lambda update_fields: None)
    shared = None if facts.cpu_bound else pace
    return Ready(ident, "toy", "active", 1, uuid4(), False, facts, frozenset(), limits, pace=shared)


def free(pacer, number, facts=REMOTE):
    return pacer.room(ready(number, facts), NOW).urgent


def fill(pacer, connectors):
    """Let each take all that it may."""
    for one in map(ready, range(connectors)):
        while room := pacer.room(one, NOW).urgent:
            pacer.begun(one, room, NOW)


def test_a_connector_takes_its_own_seats_and_no_more(pacer):
    fill(pacer, 1)
    assert pacer.busy() == REMOTE.concurrency


def test_twenty_slow_accounts_leave_seats_to_the_next(pacer):
    fill(pacer, 20)
    assert pacer.busy() == 20 * REMOTE.concurrency
    assert free(pacer, 99) == REMOTE.concurrency


def test_no_turn_begins_more_than_its_share(pacer):
    wide = replace(REMOTE, concurrency=500, burst=500)
    assert free(pacer, 1, wide) == 64


def test_nothing_is_claimed_that_has_no_seat(pacer):
    fill(pacer, 200)
    assert pacer.busy() == SEATS
    assert free(pacer, 999) == 0
    pacer.ended(UUID(int=0))
    assert free(pacer, 999) == 1


def test_what_signs_here_needs_no_seat(pacer):
    fill(pacer, 200)
    assert free(pacer, 999, LOCAL) == 400
    pacer.begun(ready(999, LOCAL), 400, NOW)
    pacer.ended(UUID(int=0), 4)
    assert free(pacer, 998) == 2


def test_seats_of_a_claim_that_was_taken_back_are_free_again(pacer):
    before = pacer.seats()
    fill(pacer, 200)
    pacer.back_to(before)
    assert pacer.busy() == 0
    assert free(pacer, 999) == REMOTE.concurrency


def test_seats_of_a_worker_whose_clock_is_ahead_count_while_there_is_word_of_it_and_no_longer(monkeypatch):
    clock = ManualClock(NOW)
    pacer, one, away = Pacer(clock, uuid4()), ready(1), timedelta(days=1)

    def told():
        return {"its": [10, (clock.now() + away + KEEP).isoformat()]}

    def left():
        one.pace.seats = dict(word)  # as it stands in the table: what is read there is not written in each turn
        return pacer.room(one, clock.now()).urgent

    word = told()
    assert left() == 6
    clock.advance(KEEP - timedelta(seconds=1))
    assert left() == 6
    word = told()
    assert left() == 6
    clock.advance(KEEP - timedelta(seconds=1))
    assert left() == 6
    clock.advance(timedelta(seconds=1))
    assert left() == 16
    assert left() == 16, "it is not taken for a new word"
    monkeypatch.setattr(pacing, "_MOST_AHEAD", 1)
    assert left() == 6, "what is remembered has an end, and begins anew"


def test_seats_of_a_worker_that_vanished_are_free_when_their_time_is_over(pacer):
    one = ready(1)
    one.pace.seats = {"its": [10, (NOW + KEEP).isoformat()], "gone": [3, NOW.isoformat()]}
    assert pacer.room(one, NOW).urgent == 6
