from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chancery.core.renewal import renew_at

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
