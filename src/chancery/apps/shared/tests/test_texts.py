"""Texts of people: refused by name, never cut silently, never an error of the database."""

from datetime import UTC, datetime

import pytest

from chancery.apps.shared.tests.looking import refused
from chancery.apps.shared.texts import MOST, check, clean, moment, unfit
from chancery.core.errors import Invalid

pytestmark = pytest.mark.django_db


def test_outer_blanks_go_and_the_rest_stays():
    assert clean("name", "  Mailbox  of Zoë ", 20) == "Mailbox  of Zoë"


def test_empty_is_a_text_unless_it_is_wanted():
    assert clean("note", "  ", 10) == ""
    with refused("note", code="missing"):
        clean("note", "  ", 10, wanted="Say why.")


@pytest.mark.parametrize("value", [None, 7, ["a"], {"a": 1}, b"a"])
def test_what_is_no_text_is_refused(value):
    with refused("name"):
        clean("name", value, 10)


def test_the_longest_fits_and_one_more_is_refused():
    assert clean("name", "a" * 10, 10) == "a" * 10
    with refused("name", code="too_long"):
        clean("name", "a" * 11, 10)


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "a\x7fb", "a\ud800b"])
@pytest.mark.parametrize("lines", [False, True])
def test_no_character_that_a_table_refuses(text, lines):
    with refused("name", code="characters"):
        clean("name", text, 10, lines=lines)


@pytest.mark.parametrize("text", ["a\u202eb", "a\u200bb", "a\u2028b", "a\u2066b", "a\ufeffb", "a\x85b"])
def test_no_name_passes_for_another_by_what_cannot_be_seen(text):
    with refused("name", code="characters"):
        clean("name", text, 10)
    assert clean("note", text, 10, lines=True) == text
    assert clean("name", "a\u200db", 10) == "a\u200db"  # a joiner is part of some scripts' spelling


def test_several_lines_where_they_belong_and_nowhere_else():
    assert clean("note", "a\nb\tc", 10, lines=True) == "a\nb\tc"
    with refused("note", code="characters"):
        clean("note", "a\nb", 10)


def test_unfit_characters_are_found_at_any_depth():
    values = {"a": "fine", "b": {"x": ["\x00"]}, "c": {"\ud800": 1}, "d": 7, "e": ("ok", None), "f": ["\n\t"]}
    assert [p.field for p in unfit(values)] == ["b", "c"]


@pytest.mark.parametrize(
    "value", ["a\x00", "\ud800", ["x", {"y": "\x00"}], {"k": "\x00"}, {"\x00": "v"}, "a" * (MOST + 1)]
)
@pytest.mark.parametrize("inside", [False, True])
def test_nothing_worse_gets_into_any_action(value, inside):
    with pytest.raises(Invalid) as caught:
        check({"values": {"field": value}} if inside else {"field": value})
    named = {p.field for p in caught.value.problems}
    assert named <= {"field", "fields", "k"}
    assert named


def test_what_is_no_text_passes_the_entry():
    check({"a": 7, "b": None, "c": b"\x00", "d": ["x", 1], "e": {"f": "y\nz\t"}, "g": "a" * MOST})


def test_a_moment_has_its_zone_and_is_kept_in_utc():
    assert moment("", "from") is None
    assert moment("2030-01-31T22:00:00+02:00", "from") == datetime(2030, 1, 31, 20, tzinfo=UTC)
    # The last three are no moments in UTC: it begins before the calendar, or ends after it.
    edges = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00+23:59")
    for text in ("2030-01-31T22:00:00", "tomorrow", *edges):
        with refused("from"):
            moment(text, "from")
