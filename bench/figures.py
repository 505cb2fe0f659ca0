"""Percentiles, and the shape of a result file."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PROMISES = Path(__file__).parents[1] / "docs" / "promises" / "results"


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and maximum in milliseconds."""
    return {
        "median_ms": round(percentile(seconds, 0.5) * 1000, 1),
        "p95_ms": round(percentile(seconds, 0.95) * 1000, 1),
        "max_ms": round(max(seconds) * 1000, 1),
        "count": len(seconds),
    }


def machine() -> dict[str, Any]:
    """Return what a reader must know to compare."""
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
        "million_steps_per_second": speed(),
        "commit": _commit(),
    }


def speed() -> float:
    """Return how many million small steps the interpreter does in a second: a shared machine differs by times from hour to hour."""
    took, steps = [], 500_000
    for _ in range(5):
        begun, total = time.perf_counter(), 0
        for step in range(steps):
            total += step * step
        took.append(time.perf_counter() - begun)
    return round(steps / 1e6 / min(took), 2)


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def save(part: str, database: str, figures: dict[str, Any]) -> Path:
    """Write one part's result; the last run of a part on a database replaces the one before."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{part}-{database}.json"
    whole = {"part": part, "database": database, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    text = json.dumps({**whole, "machine": machine(), **figures}, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def promise(row: str, figure: float, unit: str, command: str, database: str) -> None:
    """Keep a figure for docs/promises.md, as tests do by their fixture `result`."""
    about = {"seed": None, "date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": _commit()}
    found = {"row": row, "figure": figure, "unit": unit, **about, "command": command, "database": database}
    (PROMISES / f"{row}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
