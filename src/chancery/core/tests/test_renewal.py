from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chancery.core.renewal import again_after, renew_at, rest, within, worry_at

START = datetime(2026, 11, 23, tzinfo=UTC)
LIFE = timedelta(days=90)


@given(st.text(max_size=40))
def test_it_is_due_around_two_thirds_and_always_at_the_same_moment(seed: str) -> None:
    due = renew_at(START, START + LIFE, seed=seed)
    assert abs((due - START) / LIFE - 2 / 3) <= 0.05 + 1e-9
    assert renew_at(START, START + LIFE, seed=seed) == due


def test_certificates_issued_together_do_not_come_due_together() -> None:
    due = sorted(renew_at(START, START + LIFE, seed=str(n)) for n in range(200))
    assert due[-1] - due[0] > LIFE * 0.08
    assert len(set(due)) == 200


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_moment_lies_inside_the_lifetime(share: float) -> None:
    for n in range(20):
        due = renew_at(START, START + LIFE, share, seed=str(n))
        assert START <= due <= START + LIFE
        assert abs((due - START) / LIFE - share) <= 0.05 + 1e-9


def test_a_window_of_the_ca_is_spread_over_and_one_certificate_stays_where_it_is() -> None:
    end = START + timedelta(days=2)
    moments = sorted(within(START, end, str(n)) for n in range(100))
    assert START <= moments[0] < moments[-1] <= end
    assert moments[-1] - moments[0] > timedelta(days=1.5)
    assert within(START, end, "7") == within(START, end, "7")


def test_worry_begins_half_way_between_renewal_and_end_and_a_month_before_at_the_earliest() -> None:
    assert worry_at(START, START + timedelta(days=90), 2 / 3) == START + timedelta(days=75)
    assert worry_at(START, START + timedelta(days=390), 0.5) == START + timedelta(days=360)


def test_the_less_is_left_the_sooner_a_renewal_is_tried_again() -> None:
    assert again_after(timedelta(days=8)) == timedelta(days=1)
    assert again_after(timedelta(hours=2)) == timedelta(hours=1)
    assert again_after(timedelta(minutes=40)) == timedelta(minutes=20), "the next try comes before the end"
    assert again_after(timedelta(seconds=30)) == timedelta(minutes=1)


def test_a_successor_rests_for_half_a_day_or_a_tenth_of_its_life() -> None:
    assert rest(timedelta(days=47)) == timedelta(hours=12)
    assert rest(timedelta(days=1)) == timedelta(hours=2.4)
