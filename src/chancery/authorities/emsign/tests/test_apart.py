"""The simulator knows nothing of the client beside it, and the client nothing of the simulator."""

import ast
from pathlib import Path

HERE = Path(__file__).parents[1]
OWN = "chancery.authorities.emsign"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def sources():
    return [p for p in HERE.rglob("*.py") if "tests" not in p.relative_to(HERE).parts]


def test_neither_side_imports_the_other():
    simulator = [p for p in sources() if "simulator" in p.relative_to(HERE).parts]
    client = [p for p in sources() if p not in simulator]
    assert simulator
    assert client
    wrong = [
        f"{p.name}: {m}" for p in simulator for m in imported(p) if m.startswith(OWN) and f"{OWN}.simulator" not in m
    ]
    wrong += [f"{p.name}: {m}" for p in simulator for m in imported(p) if m.startswith("chancery.sdk")]
    wrong += [
        f"{p.name}: {m}"
        for p in client
        for m in imported(p)
        if f"{OWN}.simulator" in m or m.startswith("chancery.sandbox")
    ]
    assert wrong == []
