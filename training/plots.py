"""Plots as SVG: text that is the same for the same numbers, without scripts, styles or addresses of its own.

Colors are classes, which the page that holds a plot gives (`card_page`): so that one plot serves a light screen, a dark
one and paper. Marks differ by shape too, for whoever sees no colors.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 16.0, 48.0
LINE_HEIGHT = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The range of an axis, where its ticks are, and how they are written."""

    low: float
    high: float
    ticks: Sequence[float]
    title: str = ""
    write: Callable[[float], str] = "{:g}".format


def percent(value: float) -> str:
    """A share as a tick."""
    return f"{value:.0%}"


def signed(value: float) -> str:
    """A difference as a tick."""
    return f"{value:+.2g}" if value else "0"


def ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers between two."""
    span = max(high - low, 1e-9)
    step = 10.0 ** math.floor(math.log10(span / 4.0))
    step *= next(times for times in (1.0, 2.0, 5.0, 10.0) if span / (step * times) <= 8.0)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(eq=False)
class Plot:
    """An area with two axes, in which things are drawn by their values; `left`, `right`: room beside it."""

    x: Axis
    y: Axis
    width: float = 640.0
    height: float = 360.0
    left: float = LEFT
    right: float = RIGHT
    parts: list[str] = field(default_factory=list[str])

    def place(self, point: Point) -> Point:
        """Where a point of values lies on the drawing."""
        across = (point[0] - self.x.low) / (self.x.high - self.x.low)
        up = (point[1] - self.y.low) / (self.y.high - self.y.low)
        inner = self.width - self.left - self.right, self.height - TOP - BOTTOM
        return self.left + across * inner[0], TOP + (1.0 - up) * inner[1]

    def line(self, points: Iterable[Point], css: str) -> None:
        """Through points, in order."""
        drawn = " ".join(f"{_n(x)},{_n(y)}" for x, y in map(self.place, points))
        self.parts.append(f'<polyline class="{css}" points="{drawn}"/>')

    def area(self, low: Point, high: Point, css: str) -> None:
        """A rectangle between two corners."""
        (left, bottom), (right, top) = self.place(low), self.place(high)
        size = f'width="{_n(right - left)}" height="{_n(bottom - top)}"'
        self.parts.append(f'<rect class="{css}" x="{_n(left)}" y="{_n(top)}" {size}/>')

    def mark(self, point: Point, css: str, *, shape: str = "circle", size: float = 4.5) -> None:
        """A mark of one of SHAPES."""
        self.parts.append(_mark(*self.place(point), css=css, shape=shape, size=size))

    def legend(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """Name, class and shape of each series, at the right of the area."""
        for row, (name, css, shape) in enumerate(entries):
            x, y = self.width - self.right + 24.0, TOP + LINE_HEIGHT * (row + 0.5)
            self.parts.append(_mark(x, y, css=css, shape=shape, size=4.5))
            self.words((x + 14.0, y + 4.5), name, anchor="start")

    def words(self, at: Point, text: str, *, anchor: str = "middle", css: str = "") -> None:
        """A text at a place of the drawing."""
        kind = f' class="{css}"' if css else ""
        place = f'x="{_n(at[0])}" y="{_n(at[1])}"'
        self.parts.append(f'<text{kind} {place} text-anchor="{anchor}">{html.escape(text)}</text>')

    def row_names(self, names: Sequence[str]) -> None:
        """The names of rows, at y = 0, 1, 2 ..., at the left of the area."""
        for row, name in enumerate(names):
            self.words((self.left - 8.0, self.place((self.x.low, float(row)))[1] + 4.5), name, anchor="end")

    def svg(self, title: str) -> str:
        """The drawing, with what it shows in words for those who hear it read."""
        width, height = _n(self.width), _n(self.height)
        box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        said = html.escape(title, quote=True)
        body = "\n".join([*self._axes(), *self.parts])
        return f'<svg class="plot" {box} role="img" aria-label="{said}">\n{body}\n</svg>'

    def _axes(self) -> list[str]:
        bottom, parts = self.height - BOTTOM, self.parts
        self.parts = []
        for tick in self.x.ticks:
            at = self.place((tick, self.y.low))[0]
            self.line([(tick, self.y.low), (tick, self.y.high)], "grid")
            self.words((at, bottom + 18.0), self.x.write(tick), css="tick")
        for tick in self.y.ticks:
            at = self.place((self.x.low, tick))[1]
            self.line([(self.x.low, tick), (self.x.high, tick)], "grid")
            self.words((self.left - 8.0, at + 4.0), self.y.write(tick), anchor="end", css="tick")
        middle = self.left + (self.width - self.left - self.right) / 2.0
        self.words((middle, self.height - 8.0), self.x.title)
        if self.y.title:
            turned = f'transform="translate(14,{_n((TOP + bottom) / 2.0)}) rotate(-90)" text-anchor="middle"'
            self.parts.append(f"<text {turned}>{html.escape(self.y.title)}</text>")
        axes, self.parts = self.parts, parts
        return axes


SHAPES = ("circle", "square", "triangle", "diamond", "cross", "down", "bar")
_CORNERS = {
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "triangle": [(0.0, -1.2), (1.1, 0.9), (-1.1, 0.9)],
    "down": [(0.0, 1.2), (1.1, -0.9), (-1.1, -0.9)],
    "diamond": [(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)],
    "bar": [(-1.2, -0.4), (1.2, -0.4), (1.2, 0.4), (-1.2, 0.4)],
    "cross": [
        *[(-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4)],
        *[(0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)],
    ],
}


def _mark(x: float, y: float, *, css: str, shape: str, size: float) -> str:
    if shape == "circle":
        return f'<circle class="{css}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}"/>'
    corners = " ".join(f"{_n(x + size * across)},{_n(y + size * down)}" for across, down in _CORNERS[shape])
    return f'<polygon class="{css}" points="{corners}"/>'


def _n(value: float) -> str:
    """A place on the drawing, to a tenth of a pixel."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")
