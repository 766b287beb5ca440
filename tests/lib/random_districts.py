"""Small random districts: two years, three schools, transfers, overlaps, half days, missing tables.

Hypothesis draws the seed and what is there at all; the seed fills it densely, so that every indicator has work to do.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
    student_year,
    weekdays,
)

LEVELS = {"east": "high", "north": "middle", "west": None}
SCHOOLS = tuple(LEVELS)
STUDENTS = ("ann", "bob", "cy", "dee")
SEASONS = (date(2025, 9, 1), date(2025, 9, 1), date(2025, 12, 1), date(2026, 5, 4))
LENGTH = timedelta(days=102)
LAST_YEAR = (date(2025, 5, 26), date(2025, 6, 13))
GRADE_LEVELS = (None, "PK", "K", "5", "8", "9", "9", "10", "11", "12")
FRACTIONS = (1.0, 1.0, 1.0, 0.5, 1 / 3, 1 / 6, 2 / 3, 0.25, 0.49)
STATUSES = ("excused", "excused", "unexcused", "unexcused", "tardy", "present")
MARKS = (None, None, "A", " b+", "C", "D", "d-", "F", "E", "NC", "I", "W", "P", "87", "")
PERCENTS = (None, 45.0, 59.5, 60.0, 64.99, 65.0, 66.0, 69.0, 69.5, 70.0, 88.25, 101.0)
ASSIGNMENTS = (*[(None, None)] * 3, (0, 0), (4, 0), (9, 1), (7, 7))
POINTS = (None, 0.0, 1.0, 1.7, 2.0, 3.3, 4.0)
CREDITS = ((None, None), (0.5, 0.5), (0.5, 0.0), (1.0, 1.0), (1.0, 0.5), (0.25, None))
ACTIONS = (
    *("classroom_exclusion", "in_school_suspension", "short_term_suspension"),
    *("long_term_suspension", "expulsion", "emergency_expulsion"),
)
WITHOUT: tuple[tuple[str, ...], ...] = (
    *((), (), ("reporting",), ("incidents", "actions"), ("actions",)),
    *(("grades", "reporting"), ("attendance",), ("attendance", "actions", "reporting")),
    *(("student_years",), ("grades", "incidents", "actions")),
)
ENROLLED = ("student_id", "school_id", "entry_date")
KEYS = {
    "attendance": ("student_id", "school_id", "date"),
    "actions": ("incident_id", "student_id", "action", "start_date"),
    "incidents": ("incident_id", "student_id"),
    "grades": ("student_id", "school_id", "course_id", "school_year", "term"),
    "student_years": ("student_id", "school_year"),
}


@dataclass(frozen=True, slots=True)
class Maker:
    """Fills a district from a seed; its school year begins on the first day and lasts 15 weeks."""

    dice: random.Random
    first: date

    @property
    def last(self) -> date:
        return self.first + LENGTH

    @property
    def dates(self) -> list[date]:
        return list(days_between(self.first - timedelta(days=5), self.last))

    def maybe(self, share: float) -> bool:
        return self.dice.random() < share

    def date_within(self, first: date, last: date) -> date:
        return first + timedelta(days=self.dice.randint(0, max((last - first).days, 0)))

    def calendar(self) -> list[Row]:
        """Weekdays of every school with holidays, mostly with terms; mostly with the end of the year before."""
        rows: list[Row] = []
        has_last_year = self.maybe(0.8)
        for each in SCHOOLS:
            holidays = self.dice.sample(self.dates, 6)
            begins = self.first + timedelta(days=self.dice.choice([0, 0, 7]))
            ends = {"T1": self.first + timedelta(days=32), "T2": self.first + timedelta(days=67), "T3": self.last}
            terms = ends if self.maybe(0.8) else None
            rows += weekdays(begins, self.last, school=each, terms=terms, holidays=holidays)
            if has_last_year:
                rows += weekdays(*LAST_YEAR, school=each, school_year=2025)
        return rows

    def spells(self, student_id: str) -> Iterator[Row]:
        """Up to three enrollments this year, in sequence or at once, and mostly one last year."""
        count = self.dice.choice([0, 1, 1, 1, 2, 2, 3])
        for school_id in self.dice.sample(SCHOOLS, count):
            entry = self.dice.choice([self.dates[0], self.first, self.dice.choice(self.dates)])
            leaves = entry + timedelta(days=self.dice.randint(0, 80)) if self.maybe(0.5) else None
            yield enrollment(student_id, school_id, entry, exit=leaves, grade=self.dice.choice(GRADE_LEVELS))
        if self.maybe(0.1):
            entry, where = self.dice.choice(self.dates), self.dice.choice(SCHOOLS)
            yield enrollment(student_id, where, entry, grade=self.dice.choice(GRADE_LEVELS), school_year=2025)
        if not count or self.maybe(0.7):
            leaves = self.dice.choice([LAST_YEAR[1], date(2025, 6, 4)])
            grade_level, where = self.dice.choice(GRADE_LEVELS), self.dice.choice(SCHOOLS)
            entry = date(2025, 5, 20)
            yield enrollment(student_id, where, entry, exit=leaves, grade=grade_level, school_year=2025)
            if leaves < LAST_YEAR[1] and self.maybe(0.5):
                moved_to = self.dice.choice([each for each in SCHOOLS if each != where])
                yield enrollment(student_id, moved_to, leaves, exit=LAST_YEAR[1], grade=grade_level, school_year=2025)

    def absences(self, spell: Row) -> Iterator[Row]:
        """Runs of days with the same record; a few of them before or after the enrollment."""
        for _ in range(self.dice.randint(0, 9)):
            begins = self.date_within(spell["entry_date"], spell["exit_date"] or self.last)
            status = self.dice.choice(STATUSES)
            fraction = 0.0 if status in {"tardy", "present"} else self.dice.choice(FRACTIONS)
            for after in range(self.dice.choice([1, 1, 2, 3, 5, 9])):
                on = begins + timedelta(days=after)
                yield absence(spell["student_id"], on, spell["school_id"], fraction=fraction, status=status)

    def incidents(self, spell: Row) -> Iterator[Row]:
        for _ in range(self.dice.choice([0, 0, 1, 3, 6])):
            on = self.date_within(spell["entry_date"], spell["exit_date"] or self.last)
            severity, behavior = self.dice.choice(["minor", "major"]), self.dice.choice([None, "fight", "noise"])
            name = f"{spell['student_id']}-{spell['school_id']}-{on}-{self.dice.randint(0, 1)}"
            yield incident(
                spell["student_id"], on, spell["school_id"], incident_id=name, severity=severity, behavior=behavior
            )

    def actions(self, happened: Row) -> Iterator[Row]:
        for _ in range(self.dice.choice([0, 1, 1, 2])):
            starts = happened["date"] + timedelta(days=self.dice.choice([0, 0, 1, 4, 20, -3]))
            days = self.dice.choice([0.0, 0.5, 1.0, 2.5, 10.0, None])
            kind, name = self.dice.choice(ACTIONS), happened["incident_id"]
            yield action(happened["student_id"], starts, incident_id=name, kind=kind, days=days)

    def marks(self, student_id: str) -> Iterator[Row]:
        """Marks of this year, last year and the year before."""
        for _ in range(self.dice.choice([0, 4, 12, 24])):
            yield grade(
                student_id,
                self.dice.choice(["c1", "c2", "c3", "c4"]),
                self.dice.choice(["T1", "T2", "T3", "S1"]),
                school_id=self.dice.choice(SCHOOLS),
                school_year=self.dice.choice([2026, 2026, 2026, 2025, 2024]),
                subject=self.dice.choice(["english", "math", "science", "other"]),
                mark=self.dice.choice(MARKS),
                percent=self.dice.choice(PERCENTS),
                assignments=self.dice.choice(ASSIGNMENTS),
                points=self.dice.choice(POINTS),
                credits=self.dice.choice(CREDITS),
                graded_on=self.dice.choice([None, None, self.dice.choice(self.dates)]),
                final=self.maybe(0.5),
            )

    def reporting(self) -> Iterator[Row]:
        for each in self.dice.sample(SCHOOLS, self.dice.randint(0, 2)):
            yield reported(self.dice.choice(self.dates), each)

    def summaries(self) -> Iterator[Row]:
        """Summaries of some years of some students, with gaps; of this year too, which must not count yet."""
        for each in STUDENTS:
            for school_year in self.dice.sample([2026, 2025, 2025, 2024], self.dice.randint(0, 3)):
                enrolled = self.dice.choice([None, 0, 60, 180])
                yield student_year(
                    each,
                    school_year,
                    days_enrolled=enrolled,
                    days_absent=0.0 if enrolled == 0 else self.dice.choice([None, 0.0, 0.5, 7 + 1 / 3, 21.25]),
                    incidents=self.dice.choice([None, 0, 3]),
                    suspensions=self.dice.choice([None, 0, 1]),
                    grade_points=self.dice.choice([None, 0.0, 2.35]),
                    course_failures=self.dice.choice([None, 0, 2]),
                    school_changes=self.dice.choice([None, 0, 1]),
                )

    def tables(self, without: Iterable[str]) -> dict[str, pl.DataFrame]:
        """The tables of a district but those it is without."""
        spells = [row for each in STUDENTS for row in self.spells(each)]
        incidents = [row for spell in spells for row in self.incidents(spell)]
        rows: dict[str, list[Row]] = {
            "attendance": [row for spell in spells for row in self.absences(spell)],
            "incidents": incidents,
            "actions": [row for each in incidents for row in self.actions(each)],
            "grades": [row for each in STUDENTS for row in self.marks(each)],
            "reporting": list(self.reporting()),
            "student_years": list(self.summaries()),
        }
        given = {name: distinct(some, KEYS.get(name)) for name, some in rows.items() if name not in set(without)}
        schools = [school(each, level=level) for each, level in LEVELS.items()]
        return frames(schools=schools, calendar=self.calendar(), enrollments=distinct(spells, ENROLLED), **given)


def distinct(rows: Iterable[Row], key: tuple[str, ...] | None) -> list[Row]:
    """The first row of every key."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in key or row), row)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Night:
    """The tables of a district and a date in its school year, or in the summer after it."""

    tables: dict[str, pl.DataFrame]
    as_of: date

    @property
    def school_data(self) -> SchoolData:
        """Rows that break the contract are rejected, and the rest goes on."""
        return checked(self.tables)


def checked(tables: dict[str, pl.DataFrame]) -> SchoolData:
    """School data of drawn tables, however many rows are rejected."""
    return SchoolData.from_frames(tables, tolerance=1.0)


@st.composite
def nights(draw: st.DrawFn) -> Night:
    """A district, and the date that its indicators are asked for."""
    maker = Maker(random.Random(draw(st.integers(0, 2**32 - 1))), draw(st.sampled_from(SEASONS)))
    after = draw(st.sampled_from([*range(7, LENGTH.days + 1), 130]))
    return Night(maker.tables(draw(st.sampled_from(WITHOUT))), maker.first + timedelta(days=after))
