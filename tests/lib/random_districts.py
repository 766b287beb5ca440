"""Small districts drawn by hypothesis: two years, three schools, transfers, overlaps, half days, missing tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import (
    Row,
    absence,
    action,
    days_between,
    enrollment,
    frames,
    grade,
    incident,
    reported,
    school,
    weekdays,
)

SCHOOLS = ("east", "north", "west")
STUDENTS = ("ann", "bob", "cy", "dee")
FIRST, LAST = date(2025, 9, 1), date(2025, 12, 5)
LAST_YEAR = (date(2025, 5, 26), date(2025, 6, 13))
DATES = list(days_between(FIRST - timedelta(days=5), LAST))
EARLIER_DATES = list(days_between(*LAST_YEAR))
TERMS = {"T1": date(2025, 10, 3), "T2": date(2025, 11, 7), "T3": LAST}
FRACTIONS = (1.0, 1.0, 1.0, 0.5, 1 / 3, 1 / 6, 2 / 3, 0.25, 0.49)
MARKS = (None, "A", " b+", "C", "D", "d-", "F", "E", "NC", "I", "W", "P", "87", "")
PERCENTS = (None, 45.0, 59.5, 60.0, 64.99, 65.0, 66.0, 69.0, 69.5, 70.0, 88.25, 101.0)
POINTS = (None, 0.0, 1.0, 1.7, 2.0, 3.3, 4.0)
CREDITS = ((None, None), (0.5, 0.5), (0.5, 0.0), (1.0, 1.0), (1.0, 0.5), (0.25, None))
ACTIONS = (
    *("classroom_exclusion", "in_school_suspension", "short_term_suspension"),
    *("long_term_suspension", "expulsion", "emergency_expulsion"),
)
WITHOUT: tuple[tuple[str, ...], ...] = (
    *((), (), ("reporting",), ("incidents", "actions"), ("actions",)),
    *(("grades", "reporting"), ("attendance",), ("attendance", "actions", "reporting")),
)
KEYS = {
    "attendance": ("student_id", "school_id", "date"),
    "enrollments": ("student_id", "school_id", "entry_date"),
    "grades": ("student_id", "school_id", "course_id", "school_year", "term"),
    "actions": ("incident_id", "student_id", "action", "start_date"),
}

as_of_dates = st.sampled_from([*days_between(date(2025, 9, 8), LAST), date(2026, 1, 4)])


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def calendars(draw: st.DrawFn) -> list[Row]:
    """Weekdays of every school, each with holidays and perhaps with terms; perhaps the end of the year before."""
    rows: list[Row] = []
    has_last_year = draw(st.booleans())
    for each in SCHOOLS:
        holidays = draw(st.lists(st.sampled_from(DATES), max_size=4))
        terms = draw(st.sampled_from([TERMS, TERMS, None]))
        begins = draw(st.sampled_from([FIRST, FIRST, FIRST + timedelta(days=7)]))
        rows += weekdays(begins, LAST, school=each, terms=terms, holidays=holidays)
        if has_last_year:
            rows += weekdays(*LAST_YEAR, school=each, school_year=2025)
    return rows


@st.composite
def spells(draw: st.DrawFn, student_id: str) -> list[Row]:
    """Up to three enrollments this year, in sequence or at once, and perhaps one last year."""
    grades = st.sampled_from([None, "PK", "K", "5", "8", "9", "10", "12"])
    rows: list[Row] = []
    for _ in range(draw(st.integers(0, 3))):
        entry = draw(st.sampled_from(DATES[:8]) | st.sampled_from(DATES))
        length = draw(optional(st.integers(0, 90)))
        leaves = None if length is None else entry + timedelta(days=length)
        rows.append(enrollment(student_id, draw(st.sampled_from(SCHOOLS)), entry, exit=leaves, grade=draw(grades)))
    if not rows or draw(st.booleans()):
        leaves = draw(st.sampled_from([LAST_YEAR[1], date(2025, 6, 4)]))
        where = draw(st.sampled_from(SCHOOLS))
        rows.append(enrollment(student_id, where, date(2025, 5, 20), exit=leaves, grade=draw(grades), school_year=2025))
    return rows


@st.composite
def absences(draw: st.DrawFn) -> list[Row]:
    """Runs of days with the same record."""
    first = draw(st.sampled_from(DATES) | st.sampled_from(EARLIER_DATES))
    length = draw(st.integers(1, 9))
    status = draw(st.sampled_from(["excused", "unexcused", "unexcused", "tardy", "present"]))
    fraction = draw(st.sampled_from(FRACTIONS)) if status not in {"tardy", "present"} else 0.0
    student_id, where = draw(st.sampled_from(STUDENTS)), draw(st.sampled_from(SCHOOLS))
    return [
        absence(student_id, first + timedelta(days=after), where, fraction=fraction, status=status)
        for after in range(length)
    ]


@st.composite
def misconduct(draw: st.DrawFn) -> tuple[Row, list[Row]]:
    """An incident and what followed."""
    on = draw(st.sampled_from(DATES) | st.sampled_from(EARLIER_DATES))
    student_id, where = draw(st.sampled_from(STUDENTS)), draw(st.sampled_from(SCHOOLS))
    happened = incident(
        student_id,
        on,
        where,
        severity=draw(st.sampled_from(["minor", "major"])),
        behavior=draw(st.sampled_from([None, "fight", "noise"])),
    )
    followed = [
        action(
            student_id,
            on + timedelta(days=draw(st.integers(0, 20))),
            incident_id=happened["incident_id"],
            kind=draw(st.sampled_from(ACTIONS)),
            days=draw(st.sampled_from([0.0, 0.5, 1.0, 2.5, 10.0])),
        )
        for _ in range(draw(st.integers(0, 2)))
    ]
    return happened, followed


@st.composite
def marks(draw: st.DrawFn) -> Row:
    """One mark of this year, last year or the year before."""
    return grade(
        draw(st.sampled_from(STUDENTS)),
        draw(st.sampled_from(["c1", "c2", "c3", "c4"])),
        draw(st.sampled_from(["T1", "T2", "T3", "S1"])),
        school_id=draw(st.sampled_from(SCHOOLS)),
        school_year=draw(st.sampled_from([2026, 2026, 2026, 2025, 2024])),
        subject=draw(st.sampled_from(["english", "math", "science", "other"])),
        mark=draw(st.sampled_from(MARKS)),
        percent=draw(st.sampled_from(PERCENTS)),
        points=draw(st.sampled_from(POINTS)),
        credits=draw(st.sampled_from(CREDITS)),
        graded_on=draw(optional(st.sampled_from(DATES))),
        final=draw(st.booleans()),
    )


@st.composite
def tables(draw: st.DrawFn) -> dict[str, pl.DataFrame]:
    """The tables of a district; attendance, behavior and coursework are each perhaps not there."""
    enrolled = [row for each in STUDENTS for row in draw(spells(each))]
    events = [row for rows in draw(st.lists(absences(), max_size=14)) for row in rows]
    conduct = draw(st.lists(misconduct(), max_size=8, unique_by=lambda each: each[0]["incident_id"]))
    actions = [row for _, rows in conduct for row in rows]
    reporting = draw(st.dictionaries(st.sampled_from(SCHOOLS), st.sampled_from(DATES), max_size=2))
    without = draw(st.sampled_from(WITHOUT))
    given: dict[str, list[Row]] = {
        "attendance": events,
        "incidents": [each for each, _ in conduct],
        "actions": [] if "incidents" in without else actions,
        "grades": draw(st.lists(marks(), max_size=14)),
        "reporting": [reported(through, each) for each, through in reporting.items()],
    }
    return frames(
        schools=[school(each, level=level) for each, level in zip(SCHOOLS, ("high", "middle", None), strict=True)],
        calendar=draw(calendars()),
        enrollments=distinct(enrolled, KEYS["enrollments"]),
        **{name: distinct(rows, KEYS.get(name)) for name, rows in given.items() if name not in without},
    )


def distinct(rows: Iterable[Row], key: tuple[str, ...] | None) -> list[Row]:
    """The first row of every key."""
    if key is None:
        return list(rows)
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in key), row)
    return list(found.values())


def checked(given: dict[str, pl.DataFrame]) -> SchoolData:
    """School data of drawn tables; rows that break the contract are rejected and the rest goes on."""
    return SchoolData.from_frames(given, tolerance=1.0)


districts: st.SearchStrategy[SchoolData] = tables().map(checked)
Change = Callable[[pl.DataFrame], pl.DataFrame]
