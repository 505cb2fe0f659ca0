from __future__ import annotations

import random
from datetime import timedelta

import pytest

from chancery.core.retry import GAPS, next_gap

MAX = timedelta(minutes=15)


@pytest.mark.parametrize("attempt", range(-1, len(GAPS) + 20))
def test_each_gap_comes_from_the_list_and_is_spread_by_a_fifth(attempt: int) -> None:
    base = GAPS[min(max(attempt, 1), len(GAPS)) - 1][0]
    rng = random.Random(attempt)
    gaps = [next_gap(attempt, rng).total_seconds() for _ in range(200)]
    assert 0.8 * base <= min(gaps) < 0.85 * base
    assert 1.15 * base < max(gaps) <= 1.2 * base


def test_it_starts_within_two_seconds_and_ends_at_fifteen_minutes() -> None:
    rng = random.Random(1)
    assert timedelta(seconds=1) <= next_gap(1, rng) <= timedelta(seconds=2)
    assert max(next_gap(10_000, rng) for _ in range(500)) <= MAX


def test_the_list_grows_and_each_entry_has_its_reason() -> None:
    seconds = [gap for gap, _ in GAPS]
    assert seconds == sorted(set(seconds))
    assert all(reason for _, reason in GAPS)


@pytest.mark.parametrize(
    ("left", "most"),
    [(timedelta(minutes=10), 60.0), (timedelta(seconds=1), 1.0), (timedelta(microseconds=1), 1.0)],
)
def test_what_runs_out_is_tried_more_often_but_never_without_pause(left: timedelta, most: float) -> None:
    assert next_gap(99, random.Random(1), left).total_seconds() == most


def test_plenty_of_time_left_changes_nothing() -> None:
    with_left = next_gap(3, random.Random(7), timedelta(days=30))
    assert with_left == next_gap(3, random.Random(7))


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=-5)])
def test_what_is_too_late_already_is_in_no_hurry_any_more(late: timedelta) -> None:
    assert next_gap(99, random.Random(1), late) == next_gap(99, random.Random(1))
