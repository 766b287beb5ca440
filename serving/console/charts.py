"""Charts of one student's year as shapes with coordinates; templates draw them, and a table beside says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

CHRONIC = 0.10
"""Absent on one day in ten of those enrolled: the published line of chronic absence."""
CELL, GAP = 10, 2
TREND_WIDTH, TREND_HEIGHT, TREND_TOP = 520, 120, 0.50
_SCHOOL_WEEK = 5
FIRST_POINT = 10
"""School days before there is a share to tell of."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A school day in the calendar: a column a week, a row a weekday. `kind`: what was recorded."""

    x: int
    y: int
    day: date
    kind: str


@dataclass(frozen=True, slots=True)
class YearCalendar:
    """School days of a year, and where each month begins."""

    cells: Sequence[Cell]
    months: Sequence[tuple[int, date]]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Trend:
    """The share of days absent so far, at the end of each school week; its line, and supports as marks.

    `points`: (day, share). `line`: for a polyline. `chronic_y`: where one day in ten is. `marks`: x and category.
    `scale`: heights that are told beside the line, and their percent. `last_y`: where the line ends.
    """

    points: Sequence[tuple[date, float]]
    line: str
    chronic_y: float
    marks: Sequence[tuple[float, date, str]]
    scale: Sequence[tuple[float, int]]
    last_y: float
    width: int = TREND_WIDTH
    height: int = TREND_HEIGHT


def kind_of(event: Mapping[str, Any]) -> str:
    """What a day of attendance was, in one word: excused, unexcused, part (of a day) or tardy."""
    if event["status"] in ("excused", "unexcused") and event["fraction_absent"] < 0.5:
        return "part"
    return str(event["status"])


def year_calendar(days: Sequence[date], events: Sequence[Mapping[str, Any]]) -> YearCalendar:
    """The school days of which the records can tell, with what was recorded; on one without a record, presence."""
    if not days:
        return YearCalendar((), (), 0, 0)
    recorded = {event["date"]: kind_of(event) for event in events}
    first = days[0] - timedelta(days=days[0].weekday())
    step = CELL + GAP
    cells = [
        Cell((day - first).days // 7 * step, min(day.weekday(), 6) * step, day, recorded.get(day, "present"))
        for day in days
    ]
    months: dict[tuple[int, int], tuple[int, date]] = {}
    for cell in cells:
        months.setdefault((cell.day.year, cell.day.month), (cell.x, cell.day))
    rows = max(_SCHOOL_WEEK, max(day.weekday() for day in days) + 1)
    return YearCalendar(cells, list(months.values()), cells[-1].x + CELL, rows * step)


def absence_trend(
    days: Sequence[date], events: Sequence[Mapping[str, Any]], *, supports: Sequence[Mapping[str, Any]] = ()
) -> Trend | None:
    """How the share of days absent went from week to week; None before there is a week to tell of. `days`: the school
    days of which the records can tell."""
    if len(days) < FIRST_POINT:
        return None
    missed = dict.fromkeys(days, 0.0)
    for event in events:
        if event["status"] != "tardy" and event["date"] in missed:
            missed[event["date"]] += event["fraction_absent"]
    points: list[tuple[date, float]] = []
    so_far = 0.0
    for number, day in enumerate(days, start=1):
        so_far += min(missed[day], 1.0)
        is_last_of_week = number == len(days) or days[number].isocalendar()[:2] != day.isocalendar()[:2]
        # A share of the first days leaps about and tells nothing.
        if is_last_of_week and number >= FIRST_POINT:
            points.append((day, so_far / number))
    span = max((days[-1] - days[0]).days, 1)

    def across(day: date) -> float:
        return round((day - days[0]).days / span * TREND_WIDTH, 1)

    line = " ".join(f"{across(day)},{_height(share)}" for day, share in points)
    begun: dict[str, date] = {}
    for support in supports:
        begun.setdefault(support["category"], support["date"])
    marks = [(across(day), day, category) for category, day in begun.items() if days[0] <= day <= days[-1]]
    scale = [(_height(share), round(100 * share)) for share in (0.0, TREND_TOP / 2, TREND_TOP)]
    return Trend(points, line, _height(CHRONIC), marks, scale, _height(points[-1][1]))


def _height(share: float) -> float:
    """The scale is the same for every child: none at the bottom, every other day at the top."""
    return round(TREND_HEIGHT * (1 - min(share, TREND_TOP) / TREND_TOP), 1)
