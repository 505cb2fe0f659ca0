from __future__ import annotations

import pytest

from chancery.core.errors import (
    Absent,
    Blocker,
    ChanceryError,
    Conflict,
    Invalid,
    NotPermitted,
    Problem,
    Unavailable,
)


def test_a_problem_gives_its_texts_by_name() -> None:
    expected = {"field": "csr", "message": "bad", "remedy": "fix it", "code": "invalid"}
    assert Problem("csr", "bad", "fix it").as_dict() == expected


def test_invalid_lists_every_field_and_keeps_its_own_list() -> None:
    problems = [Problem("a", "one"), Problem("b", "two")]
    error = Invalid(problems)
    problems.clear()
    assert str(error) == "a: one; b: two"
    assert [p.field for p in error.problems] == ["a", "b"]


def test_invalid_one_is_short_for_a_single_field() -> None:
    error = Invalid.one("name", "taken", "Choose another.", "duplicate")
    assert error.problems == [Problem("name", "taken", "Choose another.", "duplicate")]


def test_not_permitted_names_the_permission_unless_told_otherwise() -> None:
    assert "'order.place'" in NotPermitted("order.place").detail
    assert NotPermitted("order.place", "Not on Sundays.").detail == "Not on Sundays."
    assert NotPermitted("order.place").remedy


def test_absent_cuts_what_was_asked_for() -> None:
    error = Absent("order", "x" * 1000)
    assert error.kind == "order"
    assert len(error.detail) < 200


def test_a_conflict_carries_what_stands_in_the_way() -> None:
    blocker = Blocker("profile", "web", "1", "uses it")
    assert Conflict("in use", blockers=[blocker]).blockers == [blocker]
    assert Conflict("changed").blockers == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ChanceryError("x"), "error"),
        (ChanceryError("x", code="mine"), "mine"),
        (Invalid([]), "invalid"),
        (NotPermitted("p"), "not_permitted"),
        (Absent("order", 1), "not_found"),
        (Conflict("x"), "conflict"),
        (Conflict("x", code="stale"), "stale"),
        (Unavailable("x", remedy="wait"), "unavailable"),
    ],
)
def test_each_error_has_its_code(error: ChanceryError, code: str) -> None:
    assert error.code == code
