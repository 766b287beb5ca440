"""Tables that a source does not have, derived from its attendance rows, present or absent; each is said in a note.

Only a source that records presence can be derived from: from absences alone, a student who never missed a day would
not be enrolled anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from cis_ews.readers.mapping_config import SourceMapping
from cis_ews.readers.mapping_table import as_date, school_year


def derive_tables(mapping: SourceMapping, attendance: pl.DataFrame) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """The derived tables, and the sentences that say so. `attendance`: the mapped rows, days not yet merged."""
    if not mapping.derive:
        return {}, []
    recorded = _recorded(attendance, mapping.school_year_starts)
    tables = {table: _DERIVATIONS[table](recorded) for table in mapping.derive.tables}
    if "schools" in tables:
        tables["schools"] = tables["schools"].with_columns(pl.lit(mapping.derive.district_id).alias("district_id"))
    return tables, [f"{table}: {_SENTENCES[table]}" for table in tables]


def _recorded(attendance: pl.DataFrame, starts: str) -> pl.DataFrame:
    """Each student, school and day of which anything readable was recorded, with its school year."""
    ids = ("student_id", "school_id")
    filled = pl.all_horizontal(pl.col(ids).str.strip_chars().fill_null("") != "")
    return (
        attendance.filter(filled)
        .select(*ids, as_date("date").alias("date"))
        .filter(pl.col("date").is_not_null())
        .unique()
        .with_columns(school_year(pl.col("date"), starts).alias("school_year"))
    )


def _schools(recorded: pl.DataFrame) -> pl.DataFrame:
    return recorded.select(pl.col("school_id").unique().sort())


def _students(recorded: pl.DataFrame) -> pl.DataFrame:
    return recorded.select(pl.col("student_id").unique().sort())


def _calendar_days(recorded: pl.DataFrame) -> pl.DataFrame:
    days = recorded.select("school_id", "date", "school_year").unique().sort("school_id", "date")
    return days.with_columns(pl.lit(value=True).alias("is_instructional"))


def _reporting(recorded: pl.DataFrame) -> pl.DataFrame:
    return recorded.group_by("school_id").agg(pl.col("date").max().alias("reported_through")).sort("school_id")


def _enrollments(recorded: pl.DataFrame) -> pl.DataFrame:
    """One enrollment a student, school and school year, from the first recorded day.

    It stays open until the day before the student is first recorded somewhere new after the last day recorded here, or
    before a later school year begins anywhere. So an exit is dated where it became known: the last day recorded here
    would say of an earlier night what only later rows tell.
    """
    spells = (
        recorded.group_by("student_id", "school_id", "school_year")
        .agg(pl.col("date").min().alias("entry_date"), pl.col("date").max().alias("last_date"))
        .sort("last_date", "student_id", "school_id")
    )
    entries = spells.select("student_id", pl.col("entry_date").alias("moved_on")).sort("moved_on")
    years = recorded.group_by("school_year").agg(pl.col("date").min().alias("begins")).sort("school_year")
    next_years = years.with_columns(pl.col("begins").shift(-1).alias("next_begins")).drop("begins")
    ended = pl.min_horizontal("moved_on", "next_begins") - pl.duration(days=1)
    return (
        spells.join_asof(
            entries,
            left_on="last_date",
            right_on="moved_on",
            by="student_id",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,  # both are sorted above; polars cannot check it within groups
        )
        .join(next_years, on="school_year", how="left")
        .with_columns(ended.alias("exit_date"))
        .drop("last_date", "moved_on", "next_begins")
        .sort("student_id", "entry_date", "school_id")
    )


_DERIVATIONS: Mapping[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "schools": _schools,
    "students": _students,
    "enrollments": _enrollments,
    "calendar_days": _calendar_days,
    "reporting": _reporting,
}
_SENTENCES: Mapping[str, str] = {
    "schools": "derived from the school ids of the attendance rows",
    "students": "derived from the student ids of the attendance rows; names and birth dates are not known",
    "enrollments": (
        "derived from the attendance rows, present or absent: a student is enrolled from the first recorded day until "
        "the day before being first recorded elsewhere, or before a later school year; grades are not known"
    ),
    "calendar_days": (
        "derived from the attendance rows: a day is instructional in a school where any row was recorded there; days "
        "without a row, and days after the last one, are not in the calendar"
    ),
    "reporting": "derived from the attendance rows: a school has reported through its last recorded day",
}
