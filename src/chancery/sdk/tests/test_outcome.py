from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest

from chancery.sdk.outcome import (
    Absence,
    Choice,
    Found,
    HttpAnswer,
    Issued,
    Pending,
    PendingKind,
    RevocationPending,
    Revoked,
)


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
        HttpAnswer("token", "text"),
    ],
)
def test_outcomes_are_values(outcome):
    field = next(iter(outcome.__dataclass_fields__))
    with pytest.raises(FrozenInstanceError):
        setattr(outcome, field, None)


@pytest.mark.parametrize("token", ["", "a/b", "..", "a b", "a.b", "é", "x" * 201, "a\n"])
def test_a_token_stands_in_an_address_as_it_is(token):
    with pytest.raises(ValueError, match="token"):
        HttpAnswer(token, "text")


@pytest.mark.parametrize("text", ["", "two words", "line\n", "é", "x" * 401, "\x00"])
def test_what_is_answered_is_one_word_of_ascii(text):
    with pytest.raises(ValueError, match="ASCII"):
        HttpAnswer("token", text)


def test_nothing_is_published_unless_that_is_said():
    assert Pending({"v": 1}).publish == ()
