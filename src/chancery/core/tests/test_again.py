"""Ordering again: references, when an earlier call is searched for, what is at stake; and how times are spoken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chancery.core.again import LOOKS, Stakes, call_reference, next_look, risk
from chancery.core.spoken import at, lasting, number

ORDER = UUID("01890a5d-f250-7000-b0cf-47af1842228b")
NOW = datetime(2026, 11, 26, tzinfo=UTC)
STAKES = Stakes("www.example.com", "DigiCert", str(ORDER), "", finds=True, lists=True, team="Operations")


def test_the_first_reference_is_the_id_and_each_later_one_is_another_and_the_same_for_good() -> None:
    made = [call_reference(ORDER, n) for n in range(4)]
    assert made[0] == str(ORDER)
    assert len(set(made)) == 4
    assert made == [call_reference(ORDER, n) for n in range(4)]
    assert str(UUID(made[1])) == made[1]


def test_the_looks_grow_and_end_and_none_is_sooner_than_the_lag() -> None:
    assert list(LOOKS) == sorted(LOOKS)
    for lag in (timedelta(0), timedelta(hours=2), timedelta(days=60)):
        times = [next_look(NOW, n, lag) for n in range(len(LOOKS))]
        assert times == [NOW + lag + look for look in LOOKS]
    assert next_look(NOW, len(LOOKS), timedelta(0)) is None


@pytest.mark.parametrize(
    ("powers", "cleaner"),
    [
        ({}, "goes on searching for the first one for 30 days"),
        ({"finds": False}, "Pull its list later"),
        ({"finds": False, "lists": False}, "the CA's own console"),
    ],
)
def test_the_risk_names_what_may_be_there_twice_and_who_cleans_up(powers: dict[str, bool], cleaner: str) -> None:
    twice, cleaned = risk(replace(STAKES, **powers))
    assert "two orders for www.example.com under the same key, and may bill both" in twice
    assert str(ORDER) in twice
    assert cleaner in cleaned
    assert "there as order 4711" in risk(replace(STAKES, ca_reference="4711"))[0]


def test_times_and_numbers_as_sentences_have_them() -> None:
    assert at(NOW) == "2026-11-26 00:00:00 UTC"
    assert (number(1, "try", "tries"), number(2, "try", "tries")) == ("1 try", "2 tries")
    spoken = {0.2: "less than a second", 1: "1 second", 60: "1 minute", 61: "1 minute 1 second", 7200: "2 hours"}
    spoken |= {90061: "1 day 1 hour", 86400: "1 day", 86401: "1 day"}
    assert {seconds: lasting(timedelta(seconds=seconds)) for seconds in spoken} == spoken
