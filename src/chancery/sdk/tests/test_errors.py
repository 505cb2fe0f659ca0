from datetime import UTC, datetime

import pytest

from chancery.sdk import errors
from chancery.sdk.errors import KINDS, TEXT_LIMIT, AuthorityError, Throttled


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_names_itself_and_carries_all(kind):
    error = kind("No.", code="E7", text="their text", stage="tls", bytes_sent=False, remedy="Do this.")
    assert isinstance(error, AuthorityError)
    assert (error.kind, str(error), error.message) == (kind.__name__, "No.", "No.")
    assert (error.code, error.text, error.stage) == ("E7", "their text", "tls")
    assert (error.bytes_sent, error.remedy) == (False, "Do this.")


def test_no_kind_is_forgotten():
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, AuthorityError) and value is not AuthorityError
    }
    assert defined == set(KINDS)
    assert len(KINDS) == len(defined)


def test_who_says_nothing_is_taken_to_have_sent_something():
    error = AuthorityError("No.")
    assert (error.bytes_sent, error.stage, error.code, error.text, error.remedy) == (True, "work", "", "", "")


def test_texts_are_capped():
    long = "x" * (TEXT_LIMIT + 1)
    error = AuthorityError(long, code=long, text=long, remedy=long)
    assert len(str(error)) == len(error.message) == len(error.text) == len(error.remedy) == TEXT_LIMIT
    assert len(error.code) == 200


def test_throttled_says_until_when_if_it_knows():
    until = datetime(2026, 1, 2, tzinfo=UTC)
    error = Throttled("Slower.", until=until, code="429", bytes_sent=False)
    assert (error.until, error.code, error.bytes_sent) == (until, "429", False)
    assert Throttled("Slower.").until is None
