"""Writes docs/benchmarks.md from `bench/results/`: what was wanted, what was reached, where the time goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import figures

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
DATABASES = ("sqlite", "postgresql")
Results = dict[str, dict[str, Any]]
"""Part → what its last run on one database found."""

_HEAD = """\
# What was measured

This page is written by `make bench` from `bench/results/`, which holds every figure with its moment, commit and machine.
Durability is on (SQLite: WAL with `synchronous=FULL`; PostgreSQL: its defaults), server, worker and load share the machine's
processors, each order has two audit entries, and the issuer's key is P-256. A part by itself: `python -m bench engine`.

| What | Wanted | SQLite | PostgreSQL |
| --- | --- | --- | --- |"""

_TAIL = """
*Speed* is how many million small steps one processor did in a second for the interpreter after that part: figures of a shared machine
are to be compared only where it is about the same.

*Bare signing* is the same code that decodes, checks and signs, on as many processes, storing nothing: the ceiling of any
path that signs in Python. What lies between is the work of keeping promises: two transactions, an event and an audit
entry at each step, the check of every certificate that comes back, and placing, which runs on the same processors.

Each listing is asked at 1 000 and at 200 000 rows: orders, certificates, connectors, profiles, findings, pulls, renewals,
notices, deployments, lines of logs, changes, accounts and orders of ACME clients, and twice as many audit entries. Of what people
make by hand and call by a name (pools, channels, webhooks, bots, people, tokens, offers and credentials for ACME) there are
20 000. Asked are the first page, the page half-way down, and all that the API's description says it offers, over console and
API, of two installations side by side in turn. The ratio is of 95th percentiles, the middle one of three rounds."""


def write() -> None:
    """Write the page anew."""
    found = {name: _results(name) for name in DATABASES}
    rows = [_row(found, what, wanted, show) for what, wanted, show in _ROWS]
    PAGE.write_text("\n".join((_HEAD, *rows, *_measured(found), _TAIL, *_slowest(found))) + "\n", encoding="utf-8")


def _results(database: str) -> Results:
    paths = sorted(figures.RESULTS.glob(f"*-{database}.json"))
    return {p.stem.removesuffix(f"-{database}"): json.loads(p.read_text(encoding="utf-8")) for p in paths}


def _row(found: dict[str, Results], what: str, wanted: str, show: Callable[[Results], object]) -> str:
    return f"| {what} | {wanted} | " + " | ".join(_cell(found[name], show) for name in DATABASES) + " |"


def _cell(results: Results, show: Callable[[Results], object]) -> str:
    try:
        return str(show(results))
    except (KeyError, TypeError):
        return "not measured"


def _times(results: Results) -> str:
    own, peer = results["rest"]["one_by_one_32_clients"]["per_second"], results["peers"]["django_ca"]["per_second"]
    return f"{own / peer:.1f} ({peer}/s)"


def _listings(results: Results) -> str:
    part = results["listings"]
    return f"{len(part['above_1_5'])} of {part.get('compared', len(part['p95_ms']))}; worst {part['worst_ratio']} ({part['worst']})"


_ROWS: tuple[tuple[str, str, Callable[[Results], object]], ...] = (
    ("orders through *local*, whole path, 60 s, certificates per second", "≥ 1 500", lambda r: r["engine"]["per_second"]),
    ("the slowest five seconds of it", "", lambda r: r["engine"]["slowest_5_seconds_per_second"]),
    ("bare signing, per second", "", lambda r: r["engine"]["bare_signing_per_second"]),
    ("ratio to bare signing", "", lambda r: r["engine"]["ratio"]),
    ("REST, batches of 500, first request to last certificate stored", "≥ 1 200", lambda r: r["rest"]["in_batches_of_500"]["per_second"]),
    ("REST, one by one, 32 clients", "≥ 700", lambda r: r["rest"]["one_by_one_32_clients"]["per_second"]),
    ("complete ACME orders, 32 clients that look at everything, names authorised beforehand, per second", "≥ 190", lambda r: r["acme"]["32_in_flight_looking_at_everything"]["per_second"]),
    ("processor time of each of them, clients and database included, in ms", "≤ 10.5", lambda r: r["acme"]["32_in_flight_looking_at_everything"]["cpu_ms_per_order"]["sum"]),
    ("times the rate of django-ca (its own rate)", "≥ 3", _times),
    ("cfssl on the same PostgreSQL, per second", "", lambda r: r["peers"]["cfssl"]["per_second"]),
    ("listings whose 95th percentile grows more than 1.5 times", "0", _listings),
    ("eight writers during the first row, p95 in ms", "< 250", lambda r: r["writers"]["writes_during_a"]["p95_ms"]),
    ("orders that waited over an outage, then drained; listed while they waited, p95 in ms", "< 1 000", lambda r: f"{r['waiting']['large']['orders']}: {r['waiting']['large']['listed']['p95_ms']}"),
    ("how many times as long as a tenth of them they took to drain", "≤ 11", lambda r: r["waiting"]["drained_times"]),
    ("how many times the worker's memory with a tenth of them", "≤ 1.1", lambda r: r["waiting"]["memory_times"]),
    ("rate at which a queue drains to a remote CA, 64 connections, as a share of its client's alone", "≥ 0.8", lambda r: r["overhead"]["ratio"]),
    ("the same where the orders are placed meanwhile, on the same processors", "", lambda r: r["overhead"]["ratio_placed_meanwhile"]),
    ("placed to issued when idle, p95 in ms", "< 300", lambda r: r["writers"]["placed_to_issued_idle"]["p95_ms"]),
)  # fmt: skip


def _measured(found: dict[str, Results]) -> list[str]:
    lines = ["", "| Part | Database | When | Commit | Processors | Speed |", "| --- | --- | --- | --- | --- | --- |"]
    for database, results in found.items():
        for part, result in results.items():
            machine = result["machine"]
            where = f"{machine['cpus']}, Python {machine['python']}"
            speed = machine.get("million_steps_per_second", "")
            lines.append(f"| {part} | {database} | {result['at'][:16]} | {machine['commit']} | {where} | {speed} |")
    return lines


def _slowest(found: dict[str, Results]) -> list[str]:
    lines = [
        "",
        "| The slowest listings at 200 000 rows | Database | p95 in ms | at 1 000 rows |",
        "| --- | --- | --- | --- |",
    ]
    for database, results in found.items():
        rows = results.get("listings", {}).get("p95_ms", {})
        worst = sorted(rows.items(), key=lambda row: -row[1]["large"])[:5]
        lines += [f"| {name} | {database} | {row['large']} | {row['small']} |" for name, row in worst]
    return lines
