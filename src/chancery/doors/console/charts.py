"""Charts as the server draws them: coordinates for an SVG without styles or scripts of its own.

A chart's plane is `WIDTH` by `HEIGHT` units and is stretched to its place; texts stand beside it as HTML, so that they keep their size.
Every chart has a table behind it with the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 600.0, 100.0
_GAP = 0.15
"""Share of a bar's place that stays empty."""
CLASSES = 6
"""How many series are told apart by colour."""


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers of one kind, one for each step; None where there is nothing to tell. `tone` is the class of its colour."""

    name: str
    tone: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle, in units of the plane."""

    x: str
    y: str
    width: str
    height: str
    tone: str


@dataclass(frozen=True, slots=True)
class Line:
    """One unbroken line: `points` as SVG takes them."""

    points: str
    tone: str


@dataclass
class Chart:
    """What the template draws: bars stand upon one another, lines over one another; `top` is the value at the upper edge."""

    title: str
    legend: list[Series]
    top: float
    unit: str = ""
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Say whether there is nothing to draw."""
        return not any(value for series in self.legend for value in series.values)

    @property
    def top_text(self) -> str:
        """Return the value at the upper edge as people read it."""
        return f"{self.top:g}{f' {self.unit}' if self.unit else ''}"


def stacked(title: str, series: Sequence[Series], unit: str = "") -> Chart:
    """Return bars that stand upon one another, step by step."""
    columns = [[value or 0.0 for value in column] for column in zip(*(s.values for s in series), strict=True)]
    chart = Chart(title, list(series), _nice(max((sum(column) for column in columns), default=0.0)), unit)
    step = WIDTH / max(len(columns), 1)
    for n, column in enumerate(columns):
        below = 0.0
        for value, one in zip(column, series, strict=True):
            if value:
                height = value / chart.top * HEIGHT
                below += height
                x, width = n * step + step * _GAP / 2, step * (1 - _GAP)
                chart.bars.append(Bar(_number(x), _number(HEIGHT - below), _number(width), _number(height), one.tone))
    return chart


def lined(title: str, series: Sequence[Series], unit: str = "") -> Chart:
    """Return lines over one another; where a series has no value its line breaks off."""
    known = [value for one in series for value in one.values if value is not None]
    chart = Chart(title, list(series), _nice(max(known, default=0.0)), unit)
    for one in series:
        step = WIDTH / max(len(one.values), 1)
        piece: list[str] = []
        for n, value in enumerate((*one.values, None)):
            if value is not None:
                # A single value is a short stroke, since a line needs two ends.
                y = _number(HEIGHT - value / chart.top * HEIGHT)
                piece += [f"{_number(n * step + step * 0.1)},{y}", f"{_number(n * step + step * 0.9)},{y}"]
            elif piece:
                chart.lines.append(Line(" ".join(piece), one.tone))
                piece = []
    return chart


def _nice(most: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, … above a value: what an axis ends with."""
    if most <= 0:
        return 1.0
    size = 1.0
    while size < most:
        size *= 10
    while size / 10 >= most:
        size /= 10
    return next(size * part for part in (0.2, 0.5, 1.0) if size * part >= most)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
