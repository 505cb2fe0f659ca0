"""Writes down what a test measured, for the page of promises: only when asked, since a test run changes no files."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "docs" / "promises" / "results"


def record(row, figure, unit, seed, command):
    """Print a figure; write it to docs/promises/results with CHANCERY_PROMISES=1."""
    from django.db import connection

    print(f"{row}: {figure} {unit} (seed {seed}, {connection.vendor})")
    if os.environ.get("CHANCERY_PROMISES") != "1":
        return
    git = ["git", "-C", str(RESULTS.parents[2]), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    values = {
        "row": row,
        "figure": figure,
        "unit": unit,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "command": f"CHANCERY_PROMISES=1 {command}",
        "database": connection.vendor,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{row}.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
