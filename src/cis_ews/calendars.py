"""School years, instructional days and term ends, read from the calendar of an extract.

A school year is named by the year in which it ends: 2026 is 2025-26. Dates after the as-of date are plans: they are
never counted as days, and are looked at for one thing only, the planned last day of a term.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from cis_ews.errors import DataError


def school_year_at(calendar_days: pl.DataFrame, as_of: date) -> int:
    """The school year of the last calendar row on or before `as_of`: in summer, the one that ended.

    Where two years meet on that day, the later one. Raises `DataError` where the calendar begins after `as_of`.
    """
    known = calendar_days.filter(pl.col("date") <= as_of)
    if known.is_empty():
        raise DataError(
            f"calendar_days has no row on or before {as_of.isoformat()}",
            hint="choose an as-of date inside the calendar of the extract",
            rows=calendar_days.height,
        )
    latest = known.filter(pl.col("date") == pl.col("date").max())
    return int(latest.select(pl.col("school_year").max()).item())


def instructional_so_far(calendar_days: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The instructional days of the school year of `as_of`, up to that day. Raises `DataError` as `school_year_at`."""
    year = school_year_at(calendar_days, as_of)
    return calendar_days.filter(pl.col("school_year") == year, pl.col("date") <= as_of, pl.col("is_instructional"))


def school_year_starts(calendar_days: pl.DataFrame, school_year: int) -> pl.DataFrame:
    """First calendar day of a school year: `school_id`, `starts`; a school without a calendar for it has no row."""
    year = calendar_days.filter(pl.col("school_year") == school_year)
    return year.group_by("school_id").agg(starts=pl.col("date").min())


def term_ends(calendar_days: pl.DataFrame) -> pl.DataFrame:
    """Last calendar day of every term: `school_id`, `school_year`, `term`, `term_end`."""
    days = calendar_days.filter(pl.col("term").is_not_null())
    return days.group_by("school_id", "school_year", "term").agg(term_end=pl.col("date").max())


def school_year_ends(calendar_days: pl.DataFrame) -> pl.DataFrame:
    """Last calendar day of every school year: `school_id`, `school_year`, `year_end`."""
    return calendar_days.group_by("school_id", "school_year").agg(year_end=pl.col("date").max())


@dataclass(frozen=True, slots=True)
class InstructionalDays:
    """Running counts of a school year's instructional days, by school and date, to be looked up by position.

    `schools`: `school_id`, `base`; a school's count on a date stands at `base` + the date's day number (days since
    1970-01-01). Dates run without gaps from `first`, the day before the year begins anywhere, to `last`, its last day
    up to the as-of date: move a date between them before looking it up.
    """

    schools: pl.DataFrame
    first: date
    last: date
    counts: pl.Series
    instructional: pl.Series

    def count_at(self, positions: pl.Series) -> pl.Series:
        """Instructional days up to and on the date at each position; 0 where a school has no calendar."""
        return self.counts.gather(positions).fill_null(0)

    def is_instructional_at(self, positions: pl.Series) -> pl.Series:
        """Whether the date at each position is instructional; not where a school has no calendar."""
        return self.instructional.gather(positions).fill_null(value=False)


def instructional_days(calendar_days: pl.DataFrame, *, school_year: int, as_of: date) -> InstructionalDays:
    """Number the instructional days of a school year, school by school, up to `as_of`."""
    year = calendar_days.filter(pl.col("school_year") == school_year, pl.col("date") <= as_of)
    begins, last = year.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    first = (begins or as_of) - timedelta(days=1)
    dates = pl.date_range(first, last or first, eager=True).alias("date").to_frame()
    schools = year.select(pl.col("school_id").unique().sort())
    known = pl.col("is_instructional").fill_null(value=False)
    every_date = (
        schools.join(dates, how="cross")
        .join(year.select("school_id", "date", "is_instructional"), on=["school_id", "date"], how="left")
        .with_columns(is_instructional=known)
        .sort("school_id", "date")
        .with_columns(count=known.cast(pl.Int32).cum_sum().over("school_id"))
    )
    base = pl.int_range(pl.len(), dtype=pl.Int32) * dates.height - (first - date(1970, 1, 1)).days
    return InstructionalDays(
        schools=schools.with_columns(base=base),
        first=first,
        last=last or first,
        counts=every_date.get_column("count"),
        instructional=every_date.get_column("is_instructional"),
    )
