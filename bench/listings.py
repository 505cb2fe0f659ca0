"""(c) Every listing over HTTP, of a thousand rows and of two hundred thousand: pages, filters, sorts, searches.

Two installations stand side by side, and are asked in turn: a machine that is slower for a minute is so for both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench import client, figures, stand
from chancery.net.listening import free_port

_SIZES = (1_000, 200_000)
_ASKED, _ROUNDS = 30, 3
"""Requests of a round; the middle one of the rounds counts, so that a hiccup of the machine is none of a listing."""
_WANTED, _NEAR, _MORE = 1.5, 1.2, 12
"""Times as long that many rows may take; how many rounds more are asked for of whatever comes near that, from either side."""
_PATIENCE = 600
Sized = tuple[dict[str, client.Client], dict[str, list[str]]]


def run(seconds: float) -> dict[str, Any]:
    """Return, for each offer, the 95th percentile at both sizes, and the ratio."""
    del seconds
    with ExitStack() as both:
        small, large = (both.enter_context(_sized(number)) for number in _SIZES)
        rows = {name: _compared(name, small, large) for name in small[1]}
        # Where the small one has no full page, another page is asked for, and nothing is compared.
        alike = [name for name, row in rows.items() if row.rows[0] >= row.rows[1]]
        for name in [name for name in alike if rows[name].ratio > _NEAR]:
            rows[name].ask(_MORE)
    worst = max(alike, key=lambda name: rows[name].ratio)
    return {
        "rows": list(_SIZES),
        "worst_ratio": rows[worst].ratio,
        "worst": worst,
        "above_1_5": sorted(name for name in alike if rows[name].ratio > _WANTED),
        "compared": len(alike),
        "fewer_rows_at_a_thousand": sorted(rows.keys() - alike),
        "p95_ms": {name: row.told() for name, row in rows.items()},
    }


@contextmanager
def _sized(number: int) -> Iterator[Sized]:
    """Run an installation with so many rows in a process of its own; give its visitors and its paths."""
    listen = f"127.0.0.1:{free_port()}"
    with stand.fresh_database(f"bench_listings_{number}") as url:
        environ = {**os.environ, **({"CHANCERY_DATABASE_URL": url} if url else {})}
        command = [sys.executable, "-m", "bench.sized", str(number), listen]
        started = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            told = json.loads(started.stdout.readline())  # type: ignore[union-attr]  # it is a pipe
            yield {"api": client.api(told["token"], listen), "console": client.console(listen)}, told["paths"]
        finally:
            started.communicate(timeout=_PATIENCE)


def _compared(name: str, small: Sized, large: Sized) -> Compared:
    visits, shown = [], []
    for doors, paths in (small, large):
        door, path = paths[name]
        shown.append(_rows(door, doors[door].good("GET", path)))
        visits.append((doors[door], path))
    found = Compared(visits, shown)
    found.ask(_ROUNDS)
    return found


@dataclass
class Compared:
    """One offer at both installations, and how long each round's requests took there."""

    visits: list[tuple[client.Client, str]]
    rows: list[int]
    rounds: list[tuple[float, float]] = field(default_factory=list)

    def ask(self, rounds: int) -> None:
        """Ask both in turn, request by request, for so many rounds more."""
        for _ in range(rounds):
            took: tuple[list[float], list[float]] = ([], [])
            for _ in range(_ASKED):
                for visit, seconds in zip(self.visits, took, strict=True):
                    seconds.append(_seconds(*visit))
            few, many = (figures.percentile(seconds, 0.95) for seconds in took)
            self.rounds.append((few, many))

    @property
    def ratio(self) -> float:
        """How many times as long it takes of many rows: all rounds count, those that were asked for to be sure too."""
        few, many = self.middle()
        return round(many / few, 2)

    def middle(self) -> tuple[float, float]:
        """Return the 95th percentile of the middle round, of few rows and of many, in seconds."""
        few, many = (statistics.median(column) for column in zip(*self.rounds, strict=True))
        return few, many

    def told(self) -> dict[str, float]:
        """Return it for the record, in milliseconds."""
        few, many = self.middle()
        took = {"small": round(few * 1000, 2), "large": round(many * 1000, 2), "ratio": self.ratio}
        return {**took, "rounds": len(self.rounds), "rows_small": self.rows[0], "rows_large": self.rows[1]}


def _rows(door: str, body: bytes) -> int:
    return len(json.loads(body)["items"]) if door == "api" else body.count(b"<tr")


def _seconds(visitor: client.Client, path: str) -> float:
    start = time.perf_counter()
    visitor.good("GET", path)
    return time.perf_counter() - start
