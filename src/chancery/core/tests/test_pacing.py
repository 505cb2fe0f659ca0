"""A bucket that all draw from, and a lane that no flood fills."""

from datetime import UTC, datetime, timedelta

import pytest

from chancery.core.pacing import SLOWEST, Bucket, Limits, Room, refilled, reserve, room, share, shares, slower, spent

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LIMITS = Limits(seats=4, rate=2.0, burst=10)


def at(seconds):
    return NOW + seconds * SECOND


def test_tokens_come_at_the_rate_and_never_above_the_burst():
    empty = Bucket(0.0, NOW)
    assert refilled(empty, LIMITS, at(2)) == Bucket(4.0, at(2))
    assert refilled(empty, LIMITS, at(600)).tokens == 10.0


@pytest.mark.parametrize(("number", "kept"), [(1, 0), (2, 1), (10, 1)])
def test_one_is_kept_for_revocations_where_there_is_more_than_one(number, kept):
    assert reserve(number) == kept


def test_others_leave_a_seat_and_a_token_to_revocations():
    assert room(Bucket(10.0, NOW), LIMITS, 0) == Room(4, 3)
    assert room(Bucket(10.0, NOW), LIMITS, 3) == Room(1, 0)
    assert room(Bucket(1.0, NOW), LIMITS, 0) == Room(1, 0)
    assert room(Bucket(0.5, NOW), LIMITS, 0) == Room(0, 0)
    assert room(Bucket(1.0, NOW), Limits(1, 1.0, 1), 0) == Room(1, 1)
    assert room(Bucket(9.0, NOW), LIMITS, 7) == Room(0, 0)


def test_what_is_begun_is_spent():
    assert spent(Bucket(3.0, NOW), 2).tokens == 1.0


def test_a_clock_that_runs_backwards_gives_nothing_away_and_stops_nothing():
    ahead = Bucket(0.0, at(10))
    assert refilled(ahead, LIMITS, NOW) == ahead
    wrong = Bucket(0.0, NOW + timedelta(days=1))
    assert refilled(wrong, LIMITS, NOW) == Bucket(0.0, NOW)


def test_the_rate_is_halved_when_the_ca_asks_for_patience_and_doubles_again():
    assert slower(1.0, None, NOW) == 0.5
    assert slower(0.5, NOW, NOW) == 0.25
    assert slower(SLOWEST, NOW, NOW) == SLOWEST
    assert [share(0.25, NOW, at(s)) for s in (-5, 0, 60, 120, 3600)] == [0.25, 0.25, 0.5, 1.0, 1.0]
    assert share(1.0, NOW, NOW) == share(0.5, None, NOW) == 1.0


def test_nothing_is_saved_up_over_a_pause():
    paused = Bucket(10.0, NOW, slowed=0.5, slowed_at=at(100))
    assert refilled(paused, LIMITS, at(102)) == Bucket(3.0, at(102), 0.5, at(100))


@pytest.mark.parametrize(
    ("wanted", "most", "given"),
    [
        ([10, 10], 10, [5, 5]),
        ([10, 10], 3, [2, 1]),
        ([10, 2, 10], 10, [4, 2, 4]),
        ([1, 1], 10, [1, 1]),
        ([9, 9, 9], 2, [1, 1, 0]),
        ([0, 4], 3, [0, 3]),
        ([], 3, []),
    ],
)
def test_places_are_shared_and_what_one_leaves_goes_to_the_others(wanted, most, given):
    assert shares(wanted, most) == given
