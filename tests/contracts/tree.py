"""The product's files, parsed: what the contract tests look at."""

import ast
import gc
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "chancery"
MADE_BY_TOOLS = {"migrations"}


@cache
def modules():
    """Return {path below src/chancery: syntax tree} of everything but tests and migrations."""
    found = {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
        if not {"tests", *MADE_BY_TOOLS} & set(path.relative_to(SOURCE).parts)
    }
    gc.freeze()  # millions of nodes that stay: each search for garbage among them takes seconds
    return found


def imports(tree):
    """Return the dotted names that a module imports anywhere in it, also inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def calls(tree):
    """Return the last two parts of every dotted call: {"datetime.now", "sleep", …}."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found.add(".".join(ast.unparse(node.func).split(".")[-2:]))
    return found
