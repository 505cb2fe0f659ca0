"""Writes docs/promises.md from docs/promises/results: each promise, how it is tried, and what the last run found.

A result is a file R<n>.json that a test leaves when it is run with `--results docs/promises/results`; a row that several runs
fill has a file R<n>-<part>.json for each. A row without one says *not shown*: nothing here is written by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "promises"
PAGE = FOLDER.with_suffix(".md")
KEYS = ("row", "figure", "unit", "seed", "date", "commit", "command", "database")

PROMISES: dict[str, tuple[str, str]] = {
    "R1": ("It carries load", "placing speeds up until answers become slow; the rate at that point"),
    "R2": ("All certificates of a CA are replaced within a day", "a drill with 100 000 of them, and bots that deploy"),
    "R3": (
        "A killed worker loses and doubles nothing",
        "kill -9 at its calls of database and network, for each connector",
    ),
    "R4": ("Orders outlive a CA's outage", "10 000 orders over an outage of eight hours, then healing"),
    "R5": ("A slow CA slows no other", "one CA answers after a minute or never; how long the others take"),
    "R6": ("A CA that comes and goes is borne", "up and down every few seconds for an hour, under load"),
    "R7": ("A lost answer never makes a second order", "each answer is lost after the CA has acted, for 1 000 orders"),
    "R8": ("Half an answer is no answer", "an answer is cut at each of its bytes"),
    "R9": ("A wrong certificate is not let through", "wrong key, names, issuer, validity and signature come back"),
    "R10": ("A full disk spoils nothing", "writing fails at each place where something is written"),
    "R11": ("The database may restart", "PostgreSQL restarts under load, while hosts vanish"),
    "R12": ("Wrong clocks do no harm", "workers an hour and a day ahead or behind, and jumps"),
    "R13": ("Saying it twice does it once", "the same call a hundred times at once, the same message again"),
    "R14": ("100 000 orders may wait", "how fast they are listed, how they drain, how much memory that takes"),
    "R15": ("A small customer does not wait behind a large one", "ten orders of one team behind 100 000 of another"),
    "R16": ("A restart is no storm", "start with 10 000 orders that fail; calls in the first minute"),
    "R17": ("A CA's limit is kept", "the CA answers 429 with a time; calls before that time"),
    "R18": ("A poisoned request stops nobody else", "odd requests among 1 000 good ones"),
    "R19": ("A huge request costs little", "1 000 uploads of ten megabytes at once"),
    "R20": ("Weak keys are refused everywhere", "each class of weak key through each door"),
    "R21": ("Two editors lose nothing", "edits that overlap, in many orders"),
    "R22": ("Only what is unused is deleted", "deletion races with orders and renewals"),
    "R23": ("What is switched off begins nothing", "deactivation at each moment of a submission"),
    "R24": ("An edit counts at once", "edits of address and credential while workers submit"),
    "R25": ("A credential changes under way", "the old one ends at the CA under load"),
    "R26": ("The sealing key changes under way", "rotation under load, killed at each step"),
    "R27": ("Two accounts at one CA order once", "failover while an outcome is unknown"),
    "R28": ("A bot's messages cannot be used again or elsewhere", "replayed, expired, foreign and copied messages"),
    "R29": ("A deployment happens wholly or not at all", "kill at each step on the host, failing reload, full disk"),
    "R30": ("A stolen token ends quickly", "revoked, expired and bound tokens at each door"),
    "R31": ("Nobody does what their role does not allow", "each role at each route, with own and foreign things"),
    "R32": ("A role that is taken away is gone", "how long each process still honours it"),
    "R33": ("No request is led astray inside", "addresses of inner networks at each place that takes an address"),
    "R34": ("A secret goes where it was entered for", "edits of address, proxy and trust; what a listener is sent"),
    "R35": ("No text becomes script", "hostile texts in each field that is shown, in a browser"),
    "R36": ("No other page acts in your name", "forms and calls from another origin"),
    "R37": ("Guessing passwords does not pay", "10 000 guesses over names and addresses"),
    "R38": ("No secret is written down", "marked secrets through a whole run; where they turn up"),
    "R39": ("Each change is in the record once", "each action, and each audit call taken away in turn"),
    "R40": ("A changed record is found out", "edits, gaps, swaps and forks; which entry the verifier names"),
    "R41": ("A backup brings everything back", "restore on a clean host, with and without the key"),
    "R42": ("An old backup does no harm", "restore of yesterday's state while the CA went on"),
    "R43": ("An upgrade, and the way back", "workers of two releases on one database under load"),
    "R44": ("TLS to a CA is strict", "expired, foreign, self-signed and dropped certificates"),
    "R45": ("A renewal never revokes", "10 000 renewals mixed with revocations; what the CA was told"),
    "R46": ("Deadlines of revocations are seen", "from request to publication; when people are told"),
    "R47": ("Validity follows the calendar", "the clock walks over the dates on which limits shrink"),
    "R48": ("Our ACME server conforms", "three clients issue, renew and revoke"),
    "R49": ("Everything fails at once", "CA, database, workers and clock, at random, for half an hour"),
    "R50": ("A long run is flat", "three days of steady load; memory, files and database"),
}
"""Row → what is promised, and how it is tried."""

_HEAD = """\
# What we promise, and what was seen

This page is written by `make docs` from `docs/promises/results/`, where a test leaves its figure with the option
`--results docs/promises/results`. The command repeats the run, and `CHANCERY_CHAOS_SEED` its seed. *Not shown* means that no
run of a test that measures the row left a figure, whatever else is tested about it.

| Row | Promise | How it is tried | Found |
| --- | --- | --- | --- |"""


def results() -> dict[str, dict[str, Any]]:
    """Return file name → result; raises `ValueError` for a file that is none."""
    found = {}
    for path in sorted((FOLDER / "results").glob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        if tuple(one) != KEYS or one["row"] != path.stem.partition("-")[0] or one["row"] not in PROMISES:
            raise ValueError(
                f"{path.name} is no result: it needs the keys {', '.join(KEYS)}, and a row that its name begins with"
            )
        found[path.stem] = one
    return found


def page() -> str:
    """Return the page."""
    found = results()
    rows = [f"| {row} | {what} | {how} | {_found(_of(row, found))} |" for row, (what, how) in PROMISES.items()]
    return "\n".join((_HEAD, *rows, "", *_runs(found), ""))


def _of(row: str, found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in found.values() if one["row"] == row]


def _found(parts: list[dict[str, Any]]) -> str:
    return "; ".join(f"{one['figure']} {one['unit']}" for one in parts) or "*not shown*"


def _runs(found: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["| Row | When | Commit | Database | Seed | Command |", "| --- | --- | --- | --- | --- | --- |"]
    for one in (one for row in PROMISES for one in _of(row, found)):
        seed = "–" if one["seed"] is None else one["seed"]
        lines.append(
            f"| {one['row']} | {one['date']} | {one['commit']} | {one['database']} | {seed} | `{one['command']}` |"
        )
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
