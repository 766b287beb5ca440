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

from cis_ews.calendars import instructional_ordinals
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


@dataclass(frozen=True, slots=True)
class StudentDays:
    """The numbered days of every student in one school year.

    `segments`, sorted by student and start: `student` (index of the roster), `student_id`, `owner` (school), `start`,
    `last` (the last date counted), `since` and `until` (the dates whose place in the numbering this segment decides),
    `before` and `through` (the owner's running count before `start` and on `last`), `offset` (the student's days in
    earlier segments), `total` (the student's days).
    `ordinals`: the calendar's running counts, see `calendars.instructional_ordinals`.
    """

    segments: pl.DataFrame
    ordinals: pl.DataFrame

    def totals(self) -> pl.DataFrame:
        """Days of every student who has a segment: `student`, `total`."""
        return self.segments.select("student", "total").unique(keep="first")

    def number(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Give every row of a known student its place among the student's days, by `student_id` and `date`.

        Adds `student`, `owner`, `total`, `number` (the student's days up to and on the date; 0 before the first) and
        `is_student_day` (the date is itself one of them). Rows of students without a segment are dropped.
        """
        columns = ["student_id", "student", "owner", "start", "last", "since", "until", "before", "offset", "total"]
        placed = (
            rows.join(self.segments.lazy().select(columns), on="student_id")
            .filter(pl.col("date").is_between("since", "until"))
            .with_columns(place=pl.min_horizontal("date", "last").clip(pl.col("start") - pl.duration(days=1)))
        )
        at_place = pl.col("ordinal").fill_null(0) - pl.col("before")
        counted_here = (pl.col("date") >= pl.col("start")) & (pl.col("date") == pl.col("place"))
        return _ordinals_at(placed, self.ordinals).with_columns(
            number=pl.col("offset") + at_place.clip(0),
            is_student_day=(pl.col("is_instructional") & counted_here).fill_null(value=False),
        )


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
    ordinals = instructional_ordinals(school_data.calendar_days, school_year=school_year, as_of=as_of)
    reporting = school_data.reporting.select(owner="school_id", reported_through="reported_through")
    reported = segments.join(reporting, on="owner", how="left", maintain_order="left")
    return EnrolledYear(
        school_year=school_year,
        as_of=as_of,
        elapsed=_numbered(segments.with_columns(last=pl.col("end")), ordinals),
        reported=_numbered(reported.with_columns(last=pl.min_horizontal("end", "reported_through")), ordinals),
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
    spells = enrollments.join(roster, on="student_id").select(
        "student", owner="school_id", start="entry_date", end="end"
    )
    alone = spells.filter(pl.len().over("student") == 1)
    several = spells.filter(pl.len().over("student") > 1)
    return pl.concat([alone, _owned_pieces(several)]).join(roster, on="student").sort("student", "start")


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


def _numbered(segments: pl.DataFrame, ordinals: pl.DataFrame) -> StudentDays:
    """Segments (sorted, with `last`) with their running counts and the dates whose number they decide."""
    next_start = pl.col("start").shift(-1).over("student")
    is_first = pl.col("student").shift(1).ne_missing(pl.col("student"))
    counted = _count_at(segments, ordinals, pl.col("start") - pl.duration(days=1), name="before")
    counted = _count_at(counted, ordinals, pl.col("last"), name="through").sort("student", "start")
    days = pl.max_horizontal("before", "through") - pl.col("before")
    numbered = counted.with_columns(
        since=pl.when(is_first).then(pl.lit(date.min)).otherwise(pl.col("start")),
        until=(next_start - pl.duration(days=1)).fill_null(date.max),
        through=pl.max_horizontal("before", "through"),
        offset=days.cum_sum().over("student") - days,
        total=days.sum().over("student"),
    )
    return StudentDays(segments=numbered, ordinals=ordinals)


def _count_at(segments: pl.DataFrame, ordinals: pl.DataFrame, at: pl.Expr, *, name: str) -> pl.DataFrame:
    located = _ordinals_at(segments.lazy().with_columns(place=at), ordinals)
    counted = located.with_columns(pl.col("ordinal").fill_null(0).alias(name))
    return counted.drop("ordinal", "is_instructional", "place").collect()


def _ordinals_at(rows: pl.LazyFrame, ordinals: pl.DataFrame) -> pl.LazyFrame:
    """Join the running count of `owner` on the date `place`, which is moved into the dates that the calendar knows."""
    if ordinals.is_empty():
        return rows.with_columns(ordinal=pl.lit(0, pl.Int32), is_instructional=pl.lit(value=False))
    first, last = ordinals.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    table = ordinals.lazy().rename({"school_id": "owner", "date": "place"})
    return rows.with_columns(pl.col("place").clip(first, last)).join(table, on=["owner", "place"], how="left")


def month_days(days: StudentDays) -> pl.DataFrame:
    """The student's days in every calendar month: `student`, `days_enrolled_<month>`."""
    ordinals = days.ordinals.with_columns(month=pl.col("date").dt.truncate("1mo"))
    months: list[date] = ordinals.get_column("month").unique().sort().to_list()
    ends = ordinals.group_by("school_id").agg(
        pl.col("ordinal").filter(pl.col("month") <= month).max().alias(str(month)) for month in months
    )
    inside = [pl.col(str(month)).fill_null(0).clip(pl.col("before"), pl.col("through")) for month in months]
    starts = [pl.col("before"), *inside[:-1]]
    by_month = {
        f"days_enrolled_{name}": sum(
            (end - start for month, end, start in zip(months, inside, starts, strict=True) if month.month == number),
            start=pl.lit(0, pl.Int32),
        )
        for name, number in MONTHS.items()
    }
    joined = days.segments.join(ends, left_on="owner", right_on="school_id", how="left")
    return joined.group_by("student").agg(count.sum().alias(name) for name, count in by_month.items())
