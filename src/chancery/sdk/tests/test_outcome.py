from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest

from chancery.sdk.outcome import Absence, Choice, Found, Issued, Pending, PendingKind, RevocationPending, Revoked


def test_defaults_leave_the_ca_in_peace():
    pending = Pending({"v": 1})
    assert pending.kind is PendingKind.PROCESSING
    assert pending.next_check == timedelta(seconds=30)
    assert RevocationPending({"v": 1}).next_check == timedelta(minutes=5)


def test_choices_do_not_share_their_details():
    one, two = Choice("a", "A"), Choice("b", "B")
    one.detail["x"] = 1
    assert two.detail == {}


@pytest.mark.parametrize(
    "outcome",
    [
        Issued(b"leaf"),
        Pending({}),
        Found(Issued(b"leaf"), "by reference"),
        Absence("nothing by reference"),
        Revoked(),
        RevocationPending({}),
        Choice("a", "A"),
    ],
)
def test_outcomes_are_values(outcome):
    field = next(iter(outcome.__dataclass_fields__))
    with pytest.raises(FrozenInstanceError):
        setattr(outcome, field, None)
