"""Fails where a room that must be covered whole is not: every line and every branch."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

WHOLE = {
    "core": ("src/chancery/core/",),
    "sdk": ("src/chancery/sdk/",),
    "actions": ("src/chancery/apps/",),
    "engine": ("src/chancery/engine/",),
}
"""Room → where its files begin: these must be whole."""


def room(path: str) -> str | None:
    """Return which guarded room a file belongs to."""
    return next((name for name, starts in WHOLE.items() if path.startswith(starts)), None)


def report() -> dict[str, Any]:
    """Return coverage's own JSON of what the runs before have recorded."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(target)]
        subprocess.run(command, check=True)
        found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        return found


def main() -> int:
    """Print one line per room and every gap; 0 only if there is none and every room was seen."""
    covered: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    gaps = []
    for path, facts in sorted(report()["files"].items()):
        name = room(path)
        if name is None:
            continue
        total = facts["summary"]
        covered[name][0] += total["covered_lines"] + total["covered_branches"]
        covered[name][1] += total["num_statements"] + total["num_branches"]
        if facts["missing_lines"] or facts["missing_branches"]:
            gaps.append(f"{path}: lines {facts['missing_lines']} branches {facts['missing_branches']}")
    for name, (have, want) in sorted(covered.items()):
        print(f"coverage {name}: {100 * have / want:.2f} % of lines and branches")
    unseen = set(WHOLE) - set(covered)
    print(
        *gaps,
        *(f"{name}: nothing was recorded" for name in sorted(unseen)),
        sep="\n",
        end="\n" if gaps or unseen else "",
    )
    return 1 if gaps or unseen else 0


sys.exit(main())
