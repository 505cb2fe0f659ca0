"""The table of awkward cases names tests that exist, and enough of them."""

import ast
import re

import pytest

from tests.contracts.tree import ROOT

TABLE = ROOT / "tests" / "awkward.md"
LEAST = 36


def rows():
    """Return (case, names of its tests) of each row."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("| ---")]
    return [(case.strip("| "), re.findall(r"`([^`]+)`", tests)) for case, tests in cells]


def functions(path):
    return {n.name for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)}


@pytest.mark.parametrize(("case", "tests"), rows(), ids=[case for case, _ in rows()])
def test_each_case_has_a_test_that_exists(case, tests):
    assert tests, f"{case}: name the test that holds it"
    for name in tests:
        file, _, function = name.partition("::")
        path = ROOT / file
        assert path.is_file(), f"{case}: there is no file {file}"
        assert function in functions(path), f"{case}: {file} has no {function}"


def counted():
    """Return how many cases there are, in a line."""
    return f"{len(rows())} awkward cases, held by {len({name for _, tests in rows() for name in tests})} tests"


def test_the_table_grows_and_says_each_case_once():
    cases = [case for case, _ in rows()]
    assert len(cases) >= LEAST
    assert len(set(cases)) == len(cases)
