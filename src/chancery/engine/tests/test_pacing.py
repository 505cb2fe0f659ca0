"""Seats and rates: a connector has its own, and all connectors share the worker's."""

from uuid import UUID

import pytest

from chancery.core.clock import ManualClock
from chancery.core.tests.making import NOW
from chancery.engine.pacing import SEATS, Pacer
from chancery.sdk.authority import Facts

REMOTE = Facts(certificates=None, concurrency=16, calls_per_second=100, burst=100)
LOCAL = Facts(certificates=None, concurrency=800, calls_per_second=10_000, burst=10_000, cpu_bound=True)


@pytest.fixture
def pacer():
    return Pacer(ManualClock(NOW))


def fill(pacer, connectors, facts=REMOTE):
    """Let each take all that it may."""
    for number in range(connectors):
        while room := pacer.room(UUID(int=number), facts):
            pacer.started(UUID(int=number), facts, room)


def test_a_connector_takes_its_own_seats_and_no_more(pacer):
    fill(pacer, 1)
    assert pacer.busy() == REMOTE.concurrency


def test_twenty_slow_accounts_leave_seats_to_the_next(pacer):
    fill(pacer, 20)
    assert pacer.busy() == 20 * REMOTE.concurrency
    assert pacer.room(UUID(int=99), REMOTE) == 10


def test_nothing_is_claimed_that_has_no_seat(pacer):
    fill(pacer, 200)
    assert pacer.busy() == SEATS
    assert pacer.room(UUID(int=999), REMOTE) == 0
    pacer.ended(UUID(int=0))
    assert pacer.room(UUID(int=999), REMOTE) == 1


def test_what_signs_here_needs_no_seat(pacer):
    fill(pacer, 200)
    assert pacer.room(UUID(int=999), LOCAL) == 400
    pacer.started(UUID(int=999), LOCAL, 400)
    pacer.ended(UUID(int=0), 4)
    assert pacer.room(UUID(int=998), REMOTE) == 2


def test_seats_of_a_claim_that_was_taken_back_are_free_again(pacer):
    before = pacer.seats()
    fill(pacer, 200)
    pacer.back_to(before)
    assert pacer.busy() == 0
    assert pacer.room(UUID(int=999), REMOTE) == 10
