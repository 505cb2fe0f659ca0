"""Keeps what a test measured for docs/promises.md: `pytest --results docs/promises/results …`; without the option, nothing."""

import json
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser):
    parser.addoption("--results", type=Path, help="folder for what tests measured (docs/promises/results)")


@pytest.fixture
def result(request):
    """Return what keeps a figure: row (as R3), number or text, its unit, and the seed that repeats it.

    `part` is for a row that several runs fill: each leaves a file of its own. `other` replaces what is known of the run
    itself, as the database where a test makes one of its own.
    """

    def keep(row, figure, unit, seed=None, part="", **other):
        folder = request.config.getoption("--results")
        if folder is None or is_short_form(request):
            return
        folder.mkdir(parents=True, exist_ok=True)
        found = {"row": row, "figure": figure, "unit": unit, "seed": seed, **about(request), **other}
        (folder / f"{row}{part and '-'}{part}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

    return keep


def is_short_form(request):
    """Say whether this run has the same test at full size as well: its figure is the one that counts."""
    if not request.config.getoption("--long") or _is_long(request.node):
        return False
    return any(
        _is_long(item) and (item.path, item.originalname) == (request.node.path, request.node.originalname)
        for item in request.session.items
    )


def _is_long(item):
    """Say whether it runs with --long alone, on either database."""
    return any("on" not in mark.kwargs for mark in item.iter_markers("long"))


def about(request):
    from django.db import connection

    where = f"{request.node.path.relative_to(ROOT)}::{request.node.originalname}"
    long = ["--long"] if request.config.getoption("--long") else []
    runner = "bash scripts/with-postgres.sh " if connection.vendor == "postgresql" else ""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": MEASURED,
        "command": runner + shlex.join([".venv/bin/pytest", *long, where]),
        "database": connection.vendor,
    }


def commit():
    """Return the commit that is measured, marked where the tree differs from it."""
    text = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return text.stdout.strip() or "unknown"


MEASURED = commit()
"""Asked for before anything runs: the tree may go on while a long test does."""
