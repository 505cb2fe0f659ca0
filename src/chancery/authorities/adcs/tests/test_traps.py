"""The table of traps names tests that exist, and leaves none of the CA's numbers out."""

import ast
import re
from functools import cache

import pytest

from chancery.authorities.adcs.hresults import MEANINGS
from tests.contracts.tree import ROOT

TABLE = ROOT / "src" / "chancery" / "authorities" / "adcs" / "traps.md"
LEAST = 110


def rows():
    """Return (trap, node ids of its tests) of each row."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [line.strip("|").split(" | ") for line in lines if not line.startswith(("| trap", "| ---"))]
    return [(trap.strip(), re.findall(r"`([^`]+)`", tests)) for trap, tests in cells]


@cache
def functions(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("trap", "tests"), rows(), ids=[trap for trap, _ in rows()])
def test_each_trap_has_a_test_that_exists(trap, tests):
    assert tests, f"{trap}: name the test that holds it"
    for node in tests:
        file, _, function = node.partition("::")
        assert (ROOT / file).is_file(), f"{trap}: there is no file {file}"
        assert function in functions(file), f"{trap}: {file} has no {function}"


def test_every_number_is_there_and_each_trap_once():
    traps = [trap for trap, _ in rows()]
    print(f"{len(traps)} traps of AD CS, {len({t for _, tests in rows() for t in tests})} tests")
    assert len(traps) >= LEAST
    assert len(set(traps)) == len(traps)
    told = " ".join(traps)
    assert [f"0x{code:08X}" for code in MEANINGS if f"0x{code:08X}" not in told] == []
