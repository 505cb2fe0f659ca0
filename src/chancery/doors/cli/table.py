"""How a table fits a terminal: words stay whole, and columns that there is no room for are left out and named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len, chop_cells

_GAP = 2
_LEAST = 20
"""Cells below which a long word (a host's name, an address) is not squeezed."""
_KEPT = 2
"""Columns at the beginning, which say what a row is about and are never left out."""
_ONE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d\S*|\S+")
"""What stays in one piece: a moment, a word."""
_SOFT = re.compile(r"[^./:@,_-]*[./:@,_-]+|[^./:@,_-]+")
"""Where a word that is too long for its column is broken, if it must be: after what divides it."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}|\d{4}-\d\d-\d\d[ T].*")
Row = Mapping[str, str]


@dataclass(frozen=True)
class Fit:
    """The columns that are shown, with the width of each, and those that are left out."""

    widths: dict[str, int]
    left: tuple[str, ...] = ()


def heading(column: str) -> str:
    """Return what stands above a column."""
    return column.replace("_", " ").upper()


def fit(rows: Sequence[Row], columns: Sequence[str], width: int, less: Sequence[str] = ()) -> Fit:
    """Return how a table fits `width` cells; `less` are the columns to leave out first, then the last ones go."""
    shown, left = list(columns), []
    whole = {c: [heading(c), *(row[c] for row in rows)] for c in columns}
    least = {c: max(_least(text) for text in whole[c]) for c in columns}
    for column in [*(c for c in less if c in shown), *reversed([c for c in columns[_KEPT:] if c not in less])]:
        if _total(least[c] for c in shown) <= width:
            break
        shown.remove(column)
        left.append(column)
    wanted = {c: max(cell_len(line) for text in whole[c] for line in text.split("\n")) for c in shown}
    room = width - _GAP * (len(shown) - 1)
    return Fit(_shared({c: least[c] for c in shown}, wanted, room), tuple(c for c in columns if c in left))


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text in a column of `width` cells: broken between words, and inside one only where it is longer."""
    return [line for part in text.split("\n") for line in _wrapped(part, width)]


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in (piece for one in _ONE.findall(text) for piece in _pieces(one, width)):
        joined = f"{lines[-1]} {word}".lstrip() if not word.startswith("\0") else lines[-1] + word[1:]
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word.lstrip("\0"))
    return lines


def lines(rows: Sequence[Row], found: Fit) -> Iterator[str]:
    """Yield the lines of a table, the headings first."""
    for row in ({c: heading(c) for c in found.widths}, *rows):
        cells = [[_padded(line, width) for line in wrapped(row[c], width)] for c, width in found.widths.items()]
        blanks = [" " * width for width in found.widths.values()]
        for parts in zip_longest(*cells):
            filled = (blank if part is None else part for part, blank in zip(parts, blanks, strict=True))
            yield (" " * _GAP).join(filled).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _pieces(word: str, width: int) -> Iterator[str]:
    """Yield a word, or the parts of one that is too long; a part that goes on without a blank begins with NUL."""
    if cell_len(word) <= width:
        yield word
        return
    parts = [piece for part in _SOFT.findall(word) for piece in chop_cells(part, width)]
    yield from (part if at == 0 else f"\0{part}" for at, part in enumerate(parts))


def _least(text: str) -> int:
    """Return the cells that a cell needs at least: its longest word, or `_LEAST` of one that may be broken."""
    return max((cell_len(w) if _ID.fullmatch(w) else min(cell_len(w), _LEAST) for w in _ONE.findall(text)), default=0)


def _total(widths: Iterator[int]) -> int:
    found = list(widths)
    return sum(found) + _GAP * (len(found) - 1)


def _shared(least: dict[str, int], wanted: dict[str, int], room: int) -> dict[str, int]:
    """Give every column what it needs, and what is left to those that want more, the modest ones first."""
    widths = dict(least)
    spare = max(0, room - sum(least.values()))
    for place, column in enumerate(sorted(least, key=lambda c: wanted[c] - least[c])):
        more = min(wanted[column] - least[column], spare // (len(least) - place))
        widths[column] += more
        spare -= more
    return widths
