"""The colors of the pages, measured on the style itself: text, lines, and fills that stand beside each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

import serving

STATIC = Path(serving.__file__).parent / "static"
COLOR = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")


def test_no_color_of_the_pages_is_a_warning_light() -> None:
    """No red, no traffic light: measured on every color that the style names."""
    for color in re.findall(r"#[0-9a-f]{6}\b", _style()):
        red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
        assert not (red > 150 and green < 100 and blue < 100), color
        assert not (green > 150 and red < 100 and blue < 100), color


SCHEMES = ["light", "dark", "print"]


@cache
def _tokens(scheme: str) -> Mapping[str, str]:
    """The color of each token in light, in dark, or on paper."""
    light, dark, *_, paper = (dict(COLOR.findall(block)) for block in _style().split("@media"))
    assert light.keys() >= dark.keys()
    assert paper.keys() == light.keys() - {"on-accent"}
    return light | {"dark": dark, "print": paper, "light": {}}[scheme]


@cache
def _style() -> str:
    return (STATIC / "console.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", SCHEMES[:2])
def test_text_and_what_charts_draw_have_enough_contrast(scheme: str) -> None:
    """WCAG 2.1 AA, measured on the tokens: 4.5 to 1 for text (1.4.3), 3 to 1 for lines that carry meaning (1.4.11)."""
    tokens = _tokens(scheme)
    texts = [*((text, behind) for text in ("ink", "soft", "accent") for behind in ("paper", "card")), ("ink", "notice")]
    shapes = [(line, behind) for line in ("accent", "soft", "notice-line") for behind in ("paper", "card")]
    needed = chain(((pair, 4.5) for pair in [*texts, ("on-accent", "accent")]), ((pair, 3.0) for pair in shapes))
    assert [pair for pair, least in needed if _contrast(*(tokens[name] for name in pair)) < least] == []


TEMPLATES = Path(serving.__file__).parent / "console" / "templates"
PAPER = ("paper", "card")
"""What lies behind a chart."""
NEIGHBORS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "day": (("stroke", "paper"), ("stroke", "card")),
    "day tardy": (("stroke", "paper"), ("stroke", "card")),
    "day part": (("stroke", "paper"), ("stroke", "card")),
    "day excused": (("stroke", "paper"), ("stroke", "card")),
    "day unexcused": (("stroke", "paper"), ("stroke", "card")),
    "day-dot": (("fill", "day tardy"),),
    "day-half": (("fill", "day part"),),
    "day-slash": (("stroke", "day excused"),),
    "bar-fill": (("fill", "bar-back"), ("fill", "bar-flagged")),
    "bar-flagged": (("stroke", "paper"), ("stroke", "bar-flagged")),
    "share": (("stroke", "paper"),),
    "chronic": (("stroke", "paper"),),
    "mark": (("stroke", "paper"),),
}
"""Each shape of the charts: which of its colors borders on what. A name that is no token is a shape with its fill. Days
have a gap of paper between them, and are told apart by what is drawn in them."""
QUIET = {"axis", "bar-back"}
"""Shapes that say nothing: the scale of a chart is in words beside them, and so is how long a bar is."""
_RULE = re.compile(r"^\.([a-z-]+(?:\.[a-z-]+)?) \{([^}]*)\}", re.MULTILINE)
_SHAPE = re.compile(r'<(?:rect|circle|path|line|polyline|polygon|ellipse) class="([^"]+)"')


def _painted(shape: str, what: str) -> str:
    """The token of a shape's fill or stroke: its own rule's, else that of the class that it adds to."""
    rules = {name.replace(".", " "): body for name, body in _RULE.findall(_style())}
    for name in (shape, shape.partition(" ")[0]):
        found = re.search(rf"\b{what}: var\(--([a-z-]+)\)", rules.get(name, ""))
        if found:
            return found[1]
    raise AssertionError(f"the style gives no {what} to {shape}")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_fills_beside_each_other_have_enough_contrast(scheme: str) -> None:
    """WCAG 2.1, 1.4.11: three to one between neighbors, by their fills or by a line between them."""
    tokens = _tokens(scheme)
    weak = [
        (shape, other)
        for shape, borders in NEIGHBORS.items()
        for what, other in borders
        if _contrast(tokens[_painted(shape, what)], tokens[other if other in tokens else _painted(other, "fill")]) < 3.0
    ]
    assert weak == []


def test_every_shape_of_the_charts_is_measured() -> None:
    """A shape that is drawn and not named above would be measured by nobody, and one that paper paints anew, too."""
    drawn = {name for file in TEMPLATES.glob("*.html") for name in _SHAPE.findall(file.read_text(encoding="utf-8"))}
    known = {name.partition(" ")[0] for name in NEIGHBORS} | QUIET
    assert {name.partition(" {{")[0] for name in drawn} == known
    print_style = _style().rpartition("@media print")[2]
    assert not re.search(r"\b(fill|stroke):", print_style)


def test_no_two_kinds_of_day_are_told_apart_by_color_alone() -> None:
    """Each kind has a mark of its own, or is the one that is empty and the one that is full."""
    macros = (TEMPLATES / "_macros.html").read_text(encoding="utf-8")
    marked = dict(re.findall(r'kind == "(\w+)" %}<\w+ class="(day-\w+)"', macros))
    assert marked == {"tardy": "day-dot", "part": "day-half", "excused": "day-slash"}
    assert _painted("day", "fill") == "card"
    assert _painted("day unexcused", "fill") not in PAPER


def _contrast(text: str, behind: str) -> float:
    bright, dim = sorted((_luminance(text), _luminance(behind)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
