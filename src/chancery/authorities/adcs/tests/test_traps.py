"""The table of traps names tests that exist, and leaves none of the CA's numbers out."""

import ast
import re
import tomllib
from functools import cache

import pytest

from chancery.authorities.adcs.hresults import MEANINGS
from tests.contracts.tree import ROOT

TABLE = ROOT / "src" / "chancery" / "authorities" / "adcs" / "traps.md"
LEAST = 135
_THREAD = re.compile(r"([\w-]+) (\d+(?:(?:,| and) \d+)*)")
WEAKNESSES = {f"ESC{n}" for n in (*range(1, 12), 13, 14, 15, 16)} | {"KB5014754", "A8.1", "A8.2", "A8.3", "A8.4"}
THREADS = {
    "Certipy": {67, 254, 279, 280, 367},
    "Lemur": {2255, 2863, 2893, 4148},
    "PSPKI": {118},
    "acme2certifier": {97, 120, 131, 153, 154, 190, 223, 278, 357},
    "adsys": {1088},
    "cepces": {3, 40, 51, 52},
    "certsrv": {2},
    "djkormo": {97, 105, 123, 155},
    "glatzert": {91, 95, 115},
    "impacket": {1271, 1762},
    "jimmypw": {19},
    "lemur-docker": {42},
    "nokia": {1},
    "requests-gssapi": {56, 57},
    "ufven": {13, 14},
}
"""What people complained about, by project and number of the thread."""


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


def test_what_the_sections_name_has_a_row():
    told = " ".join(trap for trap, _ in rows())
    assert [name for name in sorted(WEAKNESSES) if not re.search(rf"\b{re.escape(name)}\b", told)] == []
    found = {(project, int(n)) for project, many in _THREAD.findall(told) for n in re.findall(r"\d+", many)}
    wanted = {(project, n) for project, numbers in THREADS.items() for n in numbers}
    assert wanted - found == set()


def test_no_library_that_virus_scanners_report_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *(one for many in project["optional-dependencies"].values() for one in many)]
    assert needed
    assert [one for one in needed if one.lower().startswith("impacket")] == []


def test_every_number_is_there_and_each_trap_once():
    traps = [trap for trap, _ in rows()]
    print(f"{len(traps)} traps of AD CS, {len({t for _, tests in rows() for t in tests})} tests")
    assert len(traps) >= LEAST
    assert len(set(traps)) == len(traps)
    told = " ".join(traps)
    assert [f"0x{code:08X}" for code in MEANINGS if f"0x{code:08X}" not in told] == []
