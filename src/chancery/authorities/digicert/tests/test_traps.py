"""The table of traps names tests that exist."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from chancery.sdk.testing import Conformance

HERE = Path(__file__).parent
ROOT = next(p for p in HERE.parents if (p / "pyproject.toml").is_file())
SECTIONS = {"B5": 12, "B6": 8, "B7": 8, "B8": 11, "B15": 14}
"""How many traps of each section there are at least."""


def rows():
    """Return (trap, names of its tests) of each row."""
    lines = [line for line in (HERE / "traps.md").read_text(encoding="utf-8").splitlines() if line.startswith("| B")]
    cells = [line.strip("| ").rsplit(" | ", 1) for line in lines]
    return [(trap, re.findall(r"`([^`]*\.py::[^`]+)`", tests)) for trap, tests in cells]


@cache
def functions(path):
    found = {n.name for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)}
    return found | (set(dir(Conformance)) if path.name == "test_conformance.py" else set())


@pytest.mark.parametrize(("trap", "tests"), rows(), ids=[trap for trap, _ in rows()])
def test_each_trap_has_a_test_that_exists(trap, tests):
    assert tests, f"{trap}: name the test that holds it"
    for name in tests:
        file, _, function = name.partition("::")
        path = (
            ROOT / file.replace("digicert/", "src/chancery/authorities/digicert/", 1)
            if file.startswith("digicert/")
            else ROOT / file
        )
        assert path.is_file(), f"{trap}: there is no file {file}"
        assert function in functions(path), f"{trap}: {file} has no {function}"


def test_every_section_has_its_traps_and_says_each_once():
    traps = [trap for trap, _ in rows()]
    by_section = Counter(re.match(r"B[0-9]+", trap)[0] for trap in traps)
    print(f"{len(traps)} traps, {len({t for _, tests in rows() for t in tests})} tests")
    assert {s: n for s, n in SECTIONS.items() if by_section[s] < n} == {}
    assert len(set(traps)) == len(traps)
