"""School years, instructional days and term ends, read from the calendar of an extract.

A school year is named by the year in which it ends: 2026 is 2025-26. Dates after the as-of date are plans: they are
never counted as days, and are looked at for one thing only, the planned last day of a term.
"""

from __future__ import annotations

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


def instructional_ordinals(calendar_days: pl.DataFrame, *, school_year: int, as_of: date) -> pl.DataFrame:
    """Instructional days of a school year numbered by school, up to `as_of`.

    One row a school and date, without gaps, from the day before the year begins anywhere: `school_id`, `date`,
    `ordinal` (instructional days of the school so far, Int32), `is_instructional`. Empty where the year has no day yet.
    """
    year = calendar_days.filter(pl.col("school_year") == school_year, pl.col("date") <= as_of)
    counted = pl.col("is_instructional").fill_null(value=False)
    return (
        _every_date(year)
        .join(year.select("school_id", "date", "is_instructional"), on=["school_id", "date"], how="left")
        .with_columns(is_instructional=counted)
        .sort("school_id", "date")
        .with_columns(ordinal=pl.col("is_instructional").cast(pl.Int32).cum_sum().over("school_id"))
    )


def _every_date(year: pl.DataFrame) -> pl.DataFrame:
    schools = year.select("school_id").unique()
    if year.is_empty():
        return schools.with_columns(date=pl.lit(None, pl.Date))
    bounds = year.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    dates = pl.date_range(bounds[0] - timedelta(days=1), bounds[1], eager=True).alias("date")
    return schools.join(dates.to_frame(), how="cross")
