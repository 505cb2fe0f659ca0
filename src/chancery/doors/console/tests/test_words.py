"""How states and roles are written on a page."""

import pytest

from chancery.doors.console.templatetags.chancery import words


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("outcome_unknown", "Outcome unknown"),
        ("ca_operator", "CA operator"),
        ("waiting_at_ca", "Waiting at CA"),
        ("cancelled", "Cancelled"),
        ("", ""),
    ],
)
def test_words(state, shown):
    assert words(state) == shown
