"""Follows the lines and branches of the rooms that must be covered whole, when `CHANCERY_FOLLOWED` names their folders.

What is loaded is changed to tell of itself, which costs a few seconds for each process; tracing costs as much again as the
tests do. So it is loaded first of all (``-p`` in pyproject.toml), and asked for by the environment: each process of a run has
that before it has anything else. What a process has seen goes into a file of its own in `.coverage`.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[3]
SEEN = ROOT / ".coverage"
PACKAGE = ROOT / "src" / "chancery"
OMIT = [f"{PACKAGE}/*/tests/*", f"{PACKAGE}/*/migrations/*"]
NO_BODY = ["if TYPE_CHECKING:", r"^\s*\.\.\.$", r"class .*\(Protocol\):"]
"""Shapes of what others write have no body to run."""
FOLLOWED = os.environ.get("CHANCERY_FOLLOWED", "").split()
"""Paths below the package, as `engine apps/shared`; the processes that tests start do not load this, and are not followed."""

if FOLLOWED:
    import slipcover

    _within = [str(PACKAGE / one) for one in FOLLOWED]
    if not all(map(os.path.isdir, _within)):
        sys.exit(f"CHANCERY_FOLLOWED is to name folders of {PACKAGE}: {' '.join(FOLLOWED)}")
    # Files that nobody loads are listed by one process of a run, as reading them all takes seconds.
    _all = None if os.environ.get("PYTEST_XDIST_WORKER") else _within
    _follower = slipcover.Slipcover(branch=True, source=_all, omit=OMIT, exclude_also=NO_BODY)
    sys.meta_path.insert(0, slipcover.ImportManager(_follower, slipcover.FileMatcher(sources=_within, omit=OMIT)).mpf)


def pytest_sessionfinish(session: "pytest.Session") -> None:
    """Keep what this process has seen; whoever hands out the tests has run none, and knows what there is to be seen."""
    if FOLLOWED:
        SEEN.mkdir(exist_ok=True)
        SEEN.joinpath(f"{time.time_ns()}-{os.getpid()}.json").write_text(
            json.dumps(_follower.get_coverage()), encoding="utf-8"
        )
