"""Fails where a room that must be covered whole is not: every line and every branch."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from typing import Any

import slipcover

from chancery.tests.following import SEEN

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
    """Return what all processes of the runs before have seen, as one."""
    found: dict[str, Any] = {"meta": {"software": "slipcover", "branch_coverage": True}, "files": {}}
    for path in sorted(SEEN.glob("*.json")):
        slipcover.merge_coverage(found, json.loads(path.read_text(encoding="utf-8")))
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
        have = total["covered_lines"] + total["covered_branches"]
        covered[name][0] += have
        covered[name][1] += have + total["missing_lines"] + total["missing_branches"]
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
