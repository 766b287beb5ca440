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

import polars as pl

from cis_ews.calendars import InstructionalDays, instructional_days
from cis_ews.schema.school_data import SchoolData

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


DECISIVE = ("student_id", "since", "until", "floor", "last", "base")
"""Columns of a segment that place a date in it."""


@dataclass(frozen=True, slots=True)
class StudentDays:
    """The numbered days of every student in one school year.

    `segments`, sorted by student and start: `student` (index of the roster), `student_id`, `since` and `until` (the
    dates whose place in the numbering this segment decides), `floor` and `last` (its own days begin after the one and
    end on the other), `base` (of its school in the calendar), `before` and `through` (the school's running counts on
    those two dates), `shift` (turns a running count into the student's own number), `total` (days of the student).
    """

    segments: pl.DataFrame
    calendar: InstructionalDays

    def totals(self) -> pl.DataFrame:
        """Days of every student who has a segment: `student`, `total`."""
        return self.segments.filter("is_last").select("student", "total")

    def number(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Rows of known students, by `student_id` and `date`, with their place among the student's days.

        Adds `student`, `total` and `number`: the student's days up to and on the date, 0 before the first one.
        """
        place = pl.col("date").clip("floor", "last")
        decided = pl.col("date").is_between("since", "until")
        return self._numbered(self._joined(rows).filter(decided).with_columns(place=place)).drop("place")

    def on_days(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """The rows that fall on a day of their student, as `number` gives them."""
        inside = (pl.col("date") > pl.col("floor")) & (pl.col("date") <= pl.col("last"))
        placed = self._numbered(self._joined(rows).filter(inside).with_columns(place="date"))
        return placed.filter(self.calendar.is_instructional_at(placed["place"])).drop("place")

    def _joined(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.join(self.segments.lazy().select(*DECISIVE, "student", "shift", "total"), on="student_id")

    def _numbered(self, placed: pl.LazyFrame) -> pl.DataFrame:
        position = pl.col("base") + pl.col("place").to_physical()
        found = placed.with_columns(place=position).drop(DECISIVE).collect()
        return found.with_columns(number=self.calendar.count_at(found["place"]) + found["shift"]).drop("shift")


@dataclass(frozen=True, slots=True)
class EnrolledYear:
    """One school year of the roster's students up to the as-of date.

    `elapsed`: all days up to the as-of date. `reported`: cut at the last day whose absences the school has entered, so
    that silence is not taken for perfect attendance.
    """

    school_year: int
    as_of: date
    elapsed: StudentDays
    reported: StudentDays


def enrolled_year(school_data: SchoolData, roster: pl.DataFrame, *, school_year: int, as_of: date) -> EnrolledYear:
    """Number the days of a school year for the students of the roster (`student`, `student_id`)."""
    segments = _segments(known_enrollments(school_data.enrollments, school_year=school_year, as_of=as_of), roster)
    calendar = instructional_days(school_data.calendar_days, school_year=school_year, as_of=as_of)
    reporting = school_data.reporting.select("reported_through", owner="school_id")
    segments = segments.join(reporting, on="owner", how="left", maintain_order="left")
    return EnrolledYear(
        school_year=school_year,
        as_of=as_of,
        elapsed=_number_segments(segments, calendar, pl.col("end")),
        reported=_number_segments(segments, calendar, pl.min_horizontal("end", "reported_through")),
    )


def known_enrollments(enrollments: pl.DataFrame, *, school_year: int, as_of: date) -> pl.DataFrame:
    """Enrollments of a school year that have begun; an exit after `as_of` is not known yet and becomes null."""
    begun = enrollments.filter(pl.col("school_year") == school_year, pl.col("entry_date") <= as_of)
    known_exit = pl.when(pl.col("exit_date") <= as_of).then(pl.col("exit_date"))
    return begun.with_columns(
        exit_date=known_exit, is_current=known_exit.is_null() | (known_exit >= as_of)
    ).with_columns(end=known_exit.fill_null(as_of))


def _segments(enrollments: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Enrollments as pieces that do not overlap, sorted by student and start: who owns which days."""
    known = enrollments.select("student_id", "end", owner="school_id", start="entry_date")
    spells = known.join(roster.select("student", "student_id"), on="student_id")
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
    return first.select("student", "student_id", "owner", start="cut", end=pl.col("stop") - pl.duration(days=1))


def _number_segments(segments: pl.DataFrame, calendar: InstructionalDays, last: pl.Expr) -> StudentDays:
    """Segments with the dates whose number they decide and what turns a running count into the student's own."""
    floor = (pl.col("start") - pl.duration(days=1)).clip(calendar.first, calendar.last)
    bounded = segments.join(calendar.schools, left_on="owner", right_on="school_id", how="left", maintain_order="left")
    dated = bounded.with_columns(
        floor=floor,
        last=pl.max_horizontal(last.clip(calendar.first, calendar.last), floor),
        is_first=pl.col("student").ne_missing(pl.col("student").shift(1)),
        is_last=pl.col("student").ne_missing(pl.col("student").shift(-1)),
    )
    counted = dated.with_columns(
        before=calendar.count_at(_positions(dated, pl.col("floor"))),
        through=calendar.count_at(_positions(dated, pl.col("last"))),
    )
    return StudentDays(segments=counted.pipe(_add_up), calendar=calendar)


def _add_up(counted: pl.DataFrame) -> pl.DataFrame:
    """Running sums inside each student, from running sums over all of them (the rows are sorted)."""
    so_far = (pl.col("through") - pl.col("before")).cast(pl.Int64).cum_sum()
    earlier = so_far - (pl.col("through") - pl.col("before"))
    is_first, is_last = pl.col("is_first"), pl.col("is_last")
    of_others = pl.when(is_first).then(earlier).forward_fill()
    return counted.with_columns(
        since=pl.when(is_first).then(date.min).otherwise("start"),
        until=pl.when(is_last).then(date.max).otherwise(pl.col("start").shift(-1) - pl.duration(days=1)),
        shift=(earlier - of_others - pl.col("before")).cast(pl.Int32),
        total=(pl.when(is_last).then(so_far).backward_fill() - of_others).cast(pl.Int32),
    )


def _positions(segments: pl.DataFrame, on: pl.Expr) -> pl.Series:
    return segments.select(pl.col("base") + on.to_physical()).to_series()


def month_days(days: StudentDays) -> pl.DataFrame:
    """The student's days in every calendar month: `student`, `days_enrolled_<month>`."""
    calendar, segments = days.calendar, days.segments
    counted = {number: pl.zeros(segments.height, pl.Int32, eager=True) for number in MONTHS.values()}
    so_far = segments["before"]
    month_ends = pl.date_range(calendar.first.replace(day=1), calendar.last, "1mo", eager=True).dt.month_end()
    for month_end in month_ends.to_list():
        last_here = pl.lit(min(month_end, calendar.last)).clip("floor", "last")
        count = calendar.count_at(_positions(segments, last_here))
        counted[month_end.month] = counted[month_end.month] + (count - so_far)
        so_far = count
    columns = {f"days_enrolled_{name}": counted[number] for name, number in MONTHS.items()}
    return segments.select("student").with_columns(**columns).group_by("student").agg(pl.all().sum())
