"""A CSV that says whose certificates are: one line for each, found by hash, serial number or name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field

from chancery.apps.shared.texts import clean, unfit
from chancery.core.certificate import CertificateFacts
from chancery.core.errors import Invalid, Problem
from chancery.core.inventory import canonical_serial

KEYS = ("sha256", "serial", "common_name")
"""Columns that a certificate is found by; of those that a line fills in, the first one here counts."""
VALUES = ("team", "environment", "profile", "owner", "contact")
MOST_BYTES, MOST_ROWS = 2_000_000, 10_000
_TEXT, _SHOWN = 200, 20


@dataclass(slots=True)
class Line:
    """One line: `number` as an editor counts it; texts are '' where they are not given."""

    number: int
    key: str
    value: str
    team: str = ""
    environment: str = ""
    profile: str = ""
    owner: str = ""
    contact: str = ""
    used: bool = field(default=False, kw_only=True)


@dataclass
class Owners:
    """The lines, by what they are found by."""

    lines: list[Line] = field(default_factory=list)
    _by: dict[tuple[str, str], Line] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes) -> Owners:
        """Return the lines of a CSV in UTF-8 whose first line names the columns; raises `Invalid` on *owners*."""
        if len(data) > MOST_BYTES:
            raise _bad(f"It has {len(data)} bytes; {MOST_BYTES} are the limit.", "Split it.")
        try:
            rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), _dialect(data), strict=True))
        except (UnicodeDecodeError, csv.Error):
            raise _bad("It is no CSV in UTF-8.", "Save it as CSV (UTF-8).") from None
        filled = [(n, row) for n, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
        if len(filled) > MOST_ROWS + 1:
            raise _bad(f"It has more than {MOST_ROWS} lines.", "Split it.")
        made = cls()
        if filled:
            columns = _columns(filled[0][1])
            problems = [p for number, row in filled[1:] for p in made._take(number, columns, row)]
            if problems:
                raise Invalid(problems[:_SHOWN])
        return made

    def _take(self, number: int, columns: list[str], row: list[str]) -> Iterable[Problem]:
        cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
        wrong = [p.field for p in unfit(cells)] + [n for n, text in cells.items() if len(text) > _TEXT]
        if wrong:
            yield _problem(number, f"{wrong[0]} is too long, or holds a control character.", "Type it in anew.")
            return
        key, value = next(((k, _folded(k, cells[k])) for k in KEYS if cells.get(k)), ("", ""))
        if not value:
            yield _problem(number, f"It names no certificate by {', '.join(KEYS)}.", "Fill one of these in.")
            return
        line = Line(number, key, value, *(cells.get(n, "") for n in VALUES))
        if (key, value) in self._by:
            yield _problem(
                number, f"It is about the same certificate as line {self._by[key, value].number}.", "Leave one out."
            )
            return
        self._by[key, value] = line
        self.lines.append(line)

    def of(self, facts: CertificateFacts) -> Line | None:
        """Return the line about a certificate, and take note that it was used."""
        names = {facts.common_name.lower(), *(n.value for n in facts.names)}
        wanted = [
            ("sha256", facts.sha256),
            ("serial", facts.serial),
            *(("common_name", name) for name in sorted(names)),
        ]
        found = next((self._by[w] for w in wanted if w in self._by), None)
        if found is not None:
            found.used = True
        return found

    def unused(self) -> list[Line]:
        """Return the lines that no certificate was found by."""
        return [line for line in self.lines if not line.used]


def _dialect(data: bytes) -> type[csv.Dialect]:
    first = data.splitlines()[0] if data.strip() else b""
    # Spreadsheets write semicolons where the comma is the decimal sign.
    return _Semicolons if first.count(b";") > first.count(b",") else csv.excel


class _Semicolons(csv.excel):
    delimiter = ";"


def _columns(row: list[str]) -> list[str]:
    columns = [cell.strip().lower().replace(" ", "_") for cell in row]
    known = (*KEYS, *VALUES)
    unknown = [name for name in columns if name not in known]
    if unknown or len(set(columns)) < len(columns) or not set(columns) & set(KEYS):
        shown = (
            f"{clean('owners', unknown[0][:40] or '(empty)', 60)!r} is none"
            if unknown
            else "They are not all there once"
        )
        text = f"The first line must name the columns. {shown}."
        raise _bad(text, f"Columns are: {', '.join(known)}; one of {', '.join(KEYS)} is needed.")
    return columns


def _folded(key: str, text: str) -> str:
    if key == "serial":
        return canonical_serial(text)
    return text.replace(":", "").lower() if key == "sha256" else text.lower()


def _problem(number: int, message: str, remedy: str) -> Problem:
    return Problem("owners", f"Line {number}: {message}", remedy, "owners")


def _bad(message: str, remedy: str) -> Invalid:
    return Invalid.one("owners", message, remedy, "owners")
