"""Last year where only its summary is known: the indicators of last year from `student_years`.

The records of a year itself come first, value by value; the summary fills what they leave null. A summary counts once
its year is over in every school of the calendar: nothing dated after the as-of date changes a value.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.indicators.windows import DAY_PARTS
from cis_ews.schema.coverage import known_years
from cis_ews.schema.school_data import SchoolData

FILLED = {
    "days_enrolled_last_year": "days_enrolled",
    "absent_parts_last_year": "absent_parts",
    "incidents_last_year": "incidents",
    "suspensions_last_year": "suspensions",
    "gpa_last_year": "grade_points",
    "course_failures_last_year": "course_failures",
    "school_changes_last_year": "school_changes",
}


def with_summaries(indicators: pl.DataFrame, school_data: SchoolData, *, school_year: int, as_of: date) -> pl.DataFrame:
    """The table of indicators with those of `school_year`, the last one, from its summary where they are null."""
    summaries = _of_year(school_data, school_year, as_of)
    if summaries.is_empty():
        return indicators
    beside = indicators.select("student_id").join(summaries, on="student_id", how="left", maintain_order="left")
    filled = indicators.with_columns(
        pl.coalesce(name, beside.get_column(column).cast(indicators.schema[name])) for name, column in FILLED.items()
    )
    parts, days = pl.col("absent_parts_last_year"), pl.col("days_enrolled_last_year").cast(pl.Int64)
    return filled.with_columns(
        days_absent_last_year=parts / DAY_PARTS,
        absence_rate_last_year=pl.when(days > 0).then(parts / (days * DAY_PARTS)),
    )


def _of_year(school_data: SchoolData, school_year: int, as_of: date) -> pl.DataFrame:
    """Summaries of a year that is over. One without a day enrolled says nothing of attendance."""
    of_year = school_data.student_years.filter(pl.col("school_year") == school_year)
    known = known_years(of_year, school_data.calendar_days).filter(pl.col("known_on").fill_null(as_of) <= as_of)
    enrolled = pl.col("days_enrolled").ne_missing(0)
    return known.with_columns(
        days_enrolled=pl.when(enrolled).then("days_enrolled"),
        absent_parts=pl.when(enrolled).then((pl.col("days_absent") * DAY_PARTS).round()),
    )
