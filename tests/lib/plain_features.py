"""Every term once more, in plain Python, for one student at a time: slow, readable, written from the definitions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import singledispatch
from typing import Any

from cis_ews.risk.feature_catalog.feature import (
    Column,
    DaysSince,
    Difference,
    Enough,
    Larger,
    Largest,
    OthersRate,
    Position,
    Ratio,
    Shift,
    Slope,
    Term,
    Total,
)

Row = dict[str, Any]
Students = Sequence[Row]


def plain_value(term: Term, student: Row, students: Students) -> float | None:
    """What a term is for one student among all of them."""
    value = _value(term, student, students)
    return None if value is None else float(value)


@singledispatch
def _value(term: Term, student: Row, students: Students) -> Fraction | None:
    raise TypeError(f"not a term: {type(term).__name__}")


def _exactly(value: Any) -> Fraction | None:
    return None if value is None else Fraction(value)


@_value.register
def _(term: Column, student: Row, students: Students) -> Fraction | None:
    return _exactly(student[term.name])


@_value.register
def _(term: Position, student: Row, students: Students) -> Fraction | None:
    text = student[term.column]
    return Fraction(term.values.index(text)) if text in term.values else None


@_value.register
def _(term: Total, student: Row, students: Students) -> Fraction | None:
    values = [_exactly(student[name]) for name in term.columns]
    return None if None in values else sum(values, Fraction(0))


@_value.register
def _(term: Ratio, student: Row, students: Students) -> Fraction | None:
    part, whole = _value(term.part, student, students), _value(term.whole, student, students)
    if part is None or whole is None or whole <= 0:
        return None
    return term.per * part / whole


@_value.register
def _(term: Difference, student: Row, students: Students) -> Fraction | None:
    one, less = _value(term.term, student, students), _value(term.less, student, students)
    return None if one is None or less is None else one - less


@_value.register
def _(term: Largest, student: Row, students: Students) -> Fraction | None:
    values = [_value(each, student, students) for each in term.terms]
    return max((value for value in values if value is not None), default=None)


@_value.register
def _(term: Larger, student: Row, students: Students) -> Fraction | None:
    one, other = _value(term.one, student, students), _value(term.other, student, students)
    return None if one is None or other is None else max(one, other)


@_value.register
def _(term: Enough, student: Row, students: Students) -> Fraction | None:
    days = student[term.days]
    return _value(term.term, student, students) if days is not None and days >= term.minimum else None


@_value.register
def _(term: Slope, student: Row, students: Students) -> Fraction | None:
    """One point a day, at the rate of its month: the slope of the line that is nearest to all of them."""
    points = [
        (Fraction(month), Fraction(student[part]) / student[days], student[days])
        for month, (part, days) in enumerate(zip(term.parts, term.days, strict=True))
        if student[days]
    ]
    weight = sum(days for *_, days in points)
    if len(points) < 2:
        return None
    middle = sum(month * days for month, _, days in points) / weight
    mean = sum(rate * days for _, rate, days in points) / weight
    spread = sum(days * (month - middle) ** 2 for month, _, days in points)
    return sum(days * (month - middle) * (rate - mean) for month, rate, days in points) / spread


@_value.register
def _(term: Shift, student: Row, students: Students) -> Fraction | None:
    """One point a day, at the rate of its month: the two levels that are nearest to all of them together."""
    points = [
        (month, Fraction(student[part]) / student[days], student[days])
        for month, (part, days) in enumerate(zip(term.parts, term.days, strict=True))
        if student[days]
    ]
    found: list[tuple[Fraction, Fraction]] = []
    for first in range(1, len(term.days)):
        sides = [[point for point in points if (point[0] >= first) == later] for later in (False, True)]
        counts = [sum(days for *_, days in side) for side in sides]
        if min(counts) < term.minimum:
            continue
        means = [sum(rate * days for _, rate, days in side) / count for side, count in zip(sides, counts, strict=True)]
        middle = sum(mean * count for mean, count in zip(means, counts, strict=True)) / sum(counts)
        between = sum(count * (mean - middle) ** 2 for mean, count in zip(means, counts, strict=True))
        found.append((Fraction(between), Fraction(means[1] - means[0])))
    most = max((between for between, _ in found), default=Fraction(0))
    return next((shift for between, shift in found if between >= most * (1 - Fraction(1, 10**9))), None)


@_value.register
def _(term: DaysSince, student: Row, students: Students) -> Fraction | None:
    if student[term.count] is None:
        return None
    days = student["days_enrolled_ytd"] if student[term.count] == 0 else student[term.last]
    return None if days is None else Fraction(min(days, term.most))


@_value.register
def _(term: OthersRate, student: Row, students: Students) -> Fraction | None:
    others = [
        (other[term.part], 1 if term.whole is None else other[term.whole])
        for other in students
        if other["student_id"] != student["student_id"]
        and other["school_id"] == student["school_id"]
        and other["is_enrolled"]
    ]
    known = [(part, whole) for part, whole in others if part is not None and whole is not None]
    whole = sum(whole for _, whole in known)
    if len(known) < term.minimum or whole <= 0:
        return None
    return Fraction(term.per * sum(part for part, _ in known), term.units * whole)
