from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chancery.core import ids

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", (0, 0))


def milliseconds(ident: UUID) -> int:
    return ident.int >> 80


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    ident = ids.new_id(NOW)
    assert (ident.version, ident.variant) == (7, "specified in RFC 4122")
    assert milliseconds(ident) == int(NOW.timestamp() * 1000)


def test_ids_of_one_millisecond_increase() -> None:
    made = [ids.new_id(NOW) for _ in range(100)]
    assert made == sorted(set(made))


def test_ids_increase_when_the_clock_steps_back_a_little() -> None:
    first = ids.new_id(NOW)
    assert ids.new_id(NOW - timedelta(seconds=10)) > first


def test_a_clock_that_is_set_back_far_is_followed() -> None:
    ids.new_id(NOW)
    back = NOW - timedelta(seconds=11)
    made = [ids.new_id(back) for _ in range(3)]
    assert made == sorted(set(made))
    assert milliseconds(made[0]) == int(back.timestamp() * 1000)


def test_more_ids_than_the_counter_holds_borrow_from_the_next_millisecond() -> None:
    made = [ids.new_id(NOW) for _ in range(4097)]
    assert made == sorted(set(made))
    assert milliseconds(made[4095]) + 1 == milliseconds(made[4096])


def test_a_later_moment_starts_to_count_anew() -> None:
    ids.new_id(NOW)
    ids.new_id(NOW)
    later = ids.new_id(NOW + timedelta(milliseconds=1))
    assert (later.int >> 64) & 0xFFF == 0


def test_a_range_by_time_begins_below_every_id_of_that_moment() -> None:
    ident = ids.new_id(NOW)
    assert ids.first_of(NOW - timedelta(milliseconds=1)) < ids.first_of(NOW) < ident
    assert ident < ids.first_of(NOW + timedelta(milliseconds=1))
    assert ids.made_at(ident) == NOW
