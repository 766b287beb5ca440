"""The days of a student, numbered by arithmetic and never written out one by one.

A student's day is an instructional day of the school that owns it: of the schools where the student is enrolled that
day, the one entered last, then the one with the lowest `school_id`. The student's days of a school year are numbered 1,
2, 3, ... across weekends, holidays and transfers. Enrollments are resolved into segments that do not overlap; a day's
number is the days of the segments before it plus the instructional days of its own segment up to it, both differences
of the calendar's running counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.calendars import InstructionalDays, day_number, instructional_days, school_year_starts
from cis_ews.compiling import array_of, begins_of, compiled, read_only
from cis_ews.schema.school_data import SchoolData
from cis_ews.texts import places_of

DAY_PARTS = 25_200
"""Parts of a day in which absence is summed: halves to tenths, twelfths and hundredths of a day are whole numbers."""
FIRST_DAYS = 20
LAST_DAYS = (10, 20, 45)
DAY_WINDOWS = ("ytd", f"first_{FIRST_DAYS}", *(f"last_{days}" for days in LAST_DAYS))
MONTHS = {
    "september": 9,
    "october": 10,
    "november": 11,
    "december": 12,
    "january": 1,
    "february": 2,
    "march": 3,
    "april": 4,
    "may": 5,
    "june": 6,
    "july": 7,
    "august": 8,
}


class Segments(NamedTuple):
    """Who owns which days, and what turns a date into a number: the segments of all students, by student and start.

    `begins`: where those of each student of the roster begin, and one end more. The days of a segment begin after
    `floor` and end on `last`; `base`: of its school in the calendar; `shift`: from the school's running count to the
    student's own number. `counts` and `is_day` are the calendar's. Dates are day numbers (days since 1970-01-01).
    """

    begins: NDArray[np.int64]
    start: NDArray[np.int32]
    floor: NDArray[np.int32]
    last: NDArray[np.int32]
    base: NDArray[np.int32]
    shift: NDArray[np.int32]
    counts: NDArray[np.int32]
    is_day: NDArray[np.bool_]


class DatedRows(NamedTuple):
    """Rows by the student's place in the roster, and their date as a day number."""

    student: NDArray[np.int32]
    date: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class StudentDays:
    """The numbered days of every student of the roster in one school year; `total`: how many a student has."""

    segments: Segments
    total: NDArray[np.int32]
    calendar: InstructionalDays

    def totals(self) -> pl.Series:
        """Days of every student of the roster, null for one who was not enrolled."""
        enrolled = pl.Series(np.diff(self.segments.begins) > 0)
        return pl.select(pl.when(enrolled).then(pl.Series(self.total))).to_series()

    def number(self, rows: DatedRows) -> NDArray[np.int32]:
        """How many of the student's days are up to and on each date: 0 before the first one."""
        return self._places(rows).number

    def on_days(self, rows: DatedRows) -> NDArray[np.int32]:
        """The number of the student's day on which each row falls: 0 where the date is not one of them."""
        places = self._places(rows)
        return read_only(places.number * places.is_own)

    def _places(self, rows: DatedRows) -> _Places:
        rows_count = rows.date.size
        found = _Places(np.zeros(rows_count, dtype=np.int32), np.zeros(rows_count, dtype=np.bool_))
        _place(rows, self.segments, found)
        return found


class _Places(NamedTuple):
    number: NDArray[np.int32]
    is_own: NDArray[np.bool_]


@compiled
def _place(rows: DatedRows, segments: Segments, found: _Places) -> None:
    for row in range(rows.date.size):
        student, date = rows.student[row], rows.date[row]
        place, end = segments.begins[student], segments.begins[student + 1]
        if place == end:
            continue
        while place + 1 < end and segments.start[place + 1] <= date:
            place += 1
        floor, last, base = segments.floor[place], segments.last[place], segments.base[place]
        found.number[row] = segments.counts[base + min(max(date, floor), last)] + segments.shift[place]
        found.is_own[row] = floor < date <= last and segments.is_day[base + date]


@dataclass(frozen=True, slots=True)
class EnrolledYear:
    """One school year of the roster's students up to the as-of date.

    `elapsed`: all days up to the as-of date. `reported`: cut at the last day whose absences the school has entered, so
    that silence is not taken for perfect attendance. `owned`, sorted: which days of whom (`student`, `start`, `end`)
    are those of which school (`owner`). `starts`: the first calendar day of the year at each school.
    """

    school_year: int
    as_of: date
    owned: pl.DataFrame
    starts: pl.DataFrame
    elapsed: StudentDays
    reported: StudentDays


def enrolled_year(school_data: SchoolData, roster: pl.DataFrame, *, school_year: int, as_of: date) -> EnrolledYear:
    """Number the days of a school year for the students of the roster (`student`, `student_id`)."""
    owned = _owned(known_enrollments(school_data.enrollments, school_year=school_year, as_of=as_of), roster)
    calendar = instructional_days(school_data.calendar_days, school_year=school_year, as_of=as_of)
    reporting = school_data.reporting.select("reported_through", owner="school_id")
    reported = owned.join(reporting, on="owner", how="left", maintain_order="left")
    begins = begins_of(array_of(owned["student"]), roster.height)
    return EnrolledYear(
        school_year=school_year,
        as_of=as_of,
        owned=owned,
        starts=school_year_starts(school_data.calendar_days, school_year),
        elapsed=_numbered(owned, begins, calendar),
        reported=_numbered(reported.with_columns(end=pl.min_horizontal("end", "reported_through")), begins, calendar),
    )


def known_enrollments(enrollments: pl.DataFrame, *, school_year: int, as_of: date) -> pl.DataFrame:
    """Enrollments of a school year that have begun; an exit after `as_of` is not known yet and becomes null."""
    begun = enrollments.filter(pl.col("school_year") == school_year, pl.col("entry_date") <= as_of)
    known_exit = pl.when(pl.col("exit_date") <= as_of).then(pl.col("exit_date"))
    return begun.with_columns(
        exit_date=known_exit, is_current=known_exit.is_null() | (known_exit >= as_of)
    ).with_columns(end=known_exit.fill_null(as_of))


def _owned(enrollments: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Enrollments as pieces that do not overlap, sorted by student and start: who owns which days."""
    student = pl.Series(places_of(enrollments["student_id"], roster["student_id"]))
    spells = enrollments.select("end", owner="school_id", start="entry_date", student=student).filter(student >= 0)
    alone = pl.col("student").is_unique()
    pieces = [spells.filter(alone), _owned_pieces(spells.filter(~alone))]
    return pl.concat(pieces, how="diagonal").sort("student", "start")


def _owned_pieces(spells: pl.DataFrame) -> pl.DataFrame:
    """Cut spells wherever one begins or ends; each piece belongs to the latest entry, then to the lowest school."""
    cuts = pl.concat(
        [
            spells.select("student", cut="start"),
            spells.select("student", cut=pl.col("end") + pl.duration(days=1)),
        ]
    )
    pieces = cuts.unique().sort("student", "cut").with_columns(stop=pl.col("cut").shift(-1).over("student"))
    covering = pieces.join(spells, on="student").filter(pl.col("cut").is_between("start", "end"))
    owned = covering.sort("student", "cut", "start", "owner", descending=[False, False, True, False])
    first = owned.unique(["student", "cut"], keep="first", maintain_order=True)
    return first.select("student", "owner", start="cut", end=pl.col("stop") - pl.duration(days=1))


def _numbered(owned: pl.DataFrame, begins: NDArray[np.int64], calendar: InstructionalDays) -> StudentDays:
    """Days by running sums over the segments of all students."""
    base = calendar.bases(owned["owner"])
    start, (first, last) = array_of(owned["start"]), map(day_number, (calendar.first, calendar.last))
    floor = np.clip(start - 1, first, last)
    until = np.maximum(np.clip(array_of(owned["end"]), first, last), floor)
    before = calendar.counts[base + floor]
    so_far = np.concatenate([[0], np.cumsum(calendar.counts[base + until] - before)])
    of_others = np.repeat(so_far[begins[:-1]], np.diff(begins))
    shift = (so_far[:-1] - of_others - before).astype(np.int32)
    arrays = map(read_only, (begins, start, floor, until, base, shift, calendar.counts, calendar.is_day))
    total = np.diff(so_far[begins]).astype(np.int32)
    return StudentDays(segments=Segments(*arrays), total=read_only(total), calendar=calendar)


def month_days(days: StudentDays) -> pl.DataFrame:
    """The days of every student of the roster in every calendar month: `days_enrolled_<month>`."""
    calendar, segments = days.calendar, days.segments
    counted = {number: np.zeros(days.total.size, dtype=np.int32) for number in MONTHS.values()}
    so_far = calendar.counts[segments.base + segments.floor]
    month_ends = pl.date_range(calendar.first.replace(day=1), calendar.last, "1mo", eager=True).dt.month_end()
    for month_end in month_ends.to_list():
        count = calendar.counts[segments.base + np.clip(day_number(month_end), segments.floor, segments.last)]
        counted[month_end.month] += _by_student(count - so_far, segments.begins)
        so_far = count
    return pl.DataFrame({f"days_enrolled_{name}": counted[number] for name, number in MONTHS.items()})


def _by_student(days: NDArray[np.int32], begins: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.diff(np.concatenate([[0], np.cumsum(days)])[begins]).astype(np.int32)
