"""When a target may be changed."""

from datetime import UTC, datetime

import pytest

from chancery.apps.bots.window import clean_window, opens
from chancery.core.errors import Invalid

FRIDAY = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "hour", "day", "open_"),
    [
        ("", 3, 27, True),
        ("22:00-23:30", 22, 27, True),
        ("22:00-23:30", 21, 27, False),
        ("mon-fri 22:00-04:00", 23, 27, True),
        ("mon-fri 22:00-04:00", 3, 28, True),
        ("mon-fri 22:00-04:00", 23, 28, False),
        ("mon-fri 22:00-04:00", 5, 28, False),
        ("fri-mon 01:00-02:00", 1, 29, True),
        ("fri-mon 01:00-02:00", 1, 25, False),
        ("fri 01:00-02:00", 1, 27, True),
        ("fri 01:00-02:00", 1, 26, False),
        ("00:00-00:00", 12, 27, True),
    ],
)
def test_a_window_is_open_in_its_hours_on_its_days(window, hour, day, open_):
    assert opens(window, FRIDAY.replace(hour=hour, day=day)) is open_


def test_what_is_no_window_is_refused_with_an_example():
    assert clean_window("  MON-FRI  22:00-04:00 ") == "mon-fri 22:00-04:00"
    assert clean_window("") == ""
    for text in ("always", "25:00-26:00", "xxx 01:00-02:00", "mon-xxx 01:00-02:00", "1:00-2:00"):
        with pytest.raises(Invalid, match="window"):
            clean_window(text)
