"""Every exemption and every dependency says why; functions stay short."""

import ast
import re
import statistics
import tomllib

import pytest

from tests.contracts.tree import ROOT, SOURCE, modules

PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
NOQA = re.compile(r"#\s*noqa(?P<code>:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?(?P<why>.*)")
IGNORE = re.compile(r"#\s*type:\s*ignore(?P<code>\[[a-z-]+(?:,[a-z-]+)*\])?(?P<why>.*)")


def entries(start):
    """Return the lines of a list in pyproject.toml, from the line after `start` to its closing bracket."""
    lines = PYPROJECT.splitlines()
    first = lines.index(start) + 1
    return lines[first : next(i for i in range(first, len(lines)) if lines[i] == "]")]


@pytest.mark.parametrize("line", entries("dependencies = [") + entries("dev = [") + entries("ignore = ["))
def test_every_dependency_and_lint_exemption_has_its_reason(line):
    assert re.search(r'",?\s+# \S.{4,}', line), f"say why on this line: {line.strip()}"


def test_every_lint_exemption_of_a_folder_has_its_reason():
    section = PYPROJECT.partition("[tool.ruff.lint.per-file-ignores]\n")[2].partition("\n\n")[0]
    assert section
    assert [line for line in section.splitlines() if not re.search(r"\]\s+# \S.{4,}", line)] == []


def test_every_exemption_in_code_has_its_code_and_reason():
    # One test for all files: hundreds by themselves would take most of the seconds of `make check`.
    bare = [
        f"{path}:{number} {line}"
        for path in modules()
        for number, line in enumerate((SOURCE / path).read_text(encoding="utf-8").splitlines(), 1)
        for found in (NOQA.search(line), IGNORE.search(line))
        if found is not None and not (found["code"] and len(found["why"].strip(" #")) > 4)
    ]
    assert bare == []


def lengths():
    return {
        f"{path}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_functions_are_short():
    found = lengths()
    ordered = sorted(found.values())
    assert {name: n for name, n in found.items() if n > 60} == {}
    assert statistics.median(ordered) < 10
    assert ordered[len(ordered) * 9 // 10] <= 35


def test_the_locks_name_one_index_and_no_path_of_a_machine():
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    sources = {str(p["source"]) for p in tomllib.loads(lock)["package"] if "editable" not in p["source"]}
    assert len(sources) == 1
    assert "file://" not in lock
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text(encoding="utf-8")
