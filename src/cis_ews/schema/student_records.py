"""What lies behind a student's reasons: the records of an extract as of a day, table by table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl

from cis_ews.calendars import school_year_at, school_year_starts
from cis_ews.enums import AttendanceStatus, DisciplineActionType, ExitType, GradeLevel, Severity, Subject
from cis_ews.schema.school_data import EVENT_DATES, SchoolData
from cis_ews.texts import places_of

_KEY = "student_id"
_DATE = pl.Date()
RECORDS: Mapping[str, Mapping[str, pl.DataType]] = {
    "attendance_events": {
        "date": _DATE,
        "school_id": pl.String(),
        "status": pl.Enum(AttendanceStatus),
        "fraction_absent": pl.Float64(),
    },
    "incidents": {
        "date": _DATE,
        "school_id": pl.String(),
        "severity": pl.Enum(Severity),
        "behavior": pl.String(),
    },
    "discipline_actions": {
        "start_date": _DATE,
        "action": pl.Enum(DisciplineActionType),
        "days": pl.Float64(),
    },
    "course_grades": {
        "school_year": pl.Int16(),
        "term": pl.String(),
        "course_id": pl.String(),
        "subject": pl.Enum(Subject),
        "is_core": pl.Boolean(),
        "mark": pl.String(),
        "percent": pl.Float64(),
        "credits_attempted": pl.Float64(),
        "credits_earned": pl.Float64(),
        "graded_on": _DATE,
        "assignments": pl.Int32(),
        "assignments_missing_or_late": pl.Int32(),
    },
    "enrollments": {
        "school_id": pl.String(),
        "entry_date": _DATE,
        "exit_date": _DATE,
        "exit_type": pl.Enum(ExitType),
        "grade_level": pl.Enum(GradeLevel),
        "school_year": pl.Int16(),
    },
    "supports": {
        "date": _DATE,
        "category": pl.String(),
        "tier": pl.Int8(),
        "minutes": pl.Int32(),
        "provider": pl.String(),
    },
    "student_years": {
        "school_year": pl.Int16(),
        "days_enrolled": pl.Int16(),
        "days_absent": pl.Float64(),
        "incidents": pl.Int32(),
        "suspensions": pl.Int32(),
        "grade_points": pl.Float64(),
        "course_failures": pl.Int32(),
        "school_changes": pl.Int32(),
    },
}
"""Table -> the columns of it that a person may look up. Days present are no records: nothing is said of them."""

RECORDS_SCHEMA: Mapping[str, pl.DataType] = {
    _KEY: pl.String(),
    **{table: pl.List(pl.Struct(dict(columns))) for table, columns in RECORDS.items()},
}
"""Those of a student in one row: a list a table."""


def student_records(school_data: SchoolData, as_of: date) -> dict[str, pl.DataFrame]:
    """The records that were known on a day by table, with `student_id` and the columns of `RECORDS`.

    Attendance is of the school year of that day, grades are of that and of the one before; of an enrollment that ended
    later, the end is not told.
    """
    return {
        table: _known(school_data, table, as_of)
        .select(_KEY, *(pl.col(name).cast(dtype) for name, dtype in columns.items()))
        .collect()
        for table, columns in RECORDS.items()
    }


def days_absent(records: Mapping[str, pl.DataFrame], student_ids: pl.Series) -> pl.Series:
    """Days missed of each student, parts of days added up; a tardy is no absence. Null without a record of attendance.

    `student_ids`: unique.
    """
    rows = records["attendance_events"]
    places = places_of(rows[_KEY], student_ids)
    told = rows.select("fraction_absent", is_late=pl.col("status") == AttendanceStatus.TARDY, place=pl.Series(places))
    kept = told.filter(pl.col("place") >= 0)
    fraction = kept["fraction_absent"].fill_null(0.0).to_numpy()
    missed = np.where(kept["is_late"].to_numpy(), 0.0, fraction)
    place, students = kept["place"].to_numpy(), student_ids.len()
    days = pl.Series(np.bincount(place, weights=missed, minlength=students)).round(2)
    is_told = pl.Series(np.bincount(place, minlength=students) > 0)
    return pl.select(pl.when(is_told).then(days)).to_series().alias("days_absent")


def _known(school_data: SchoolData, table: str, as_of: date) -> pl.LazyFrame:
    year = school_year_at(school_data.calendar_days, as_of)
    rows = school_data.dated(table).lazy()
    day = pl.col(EVENT_DATES[table])
    if table in ("course_grades", "student_years"):
        # Where no calendar says when, a row of an earlier school year is known and one of this year is not.
        known = rows.filter((day <= as_of).fill_null(pl.col("school_year") < year))
        return known.filter(pl.col("school_year") >= year - 1) if table == "course_grades" else known
    rows = rows.filter(day <= as_of)
    if table == "attendance_events":
        begins = school_year_starts(school_data.calendar_days, year)["starts"].min()
        return rows.filter(day >= begins, pl.col("status") != AttendanceStatus.PRESENT)
    if table == "enrollments":
        is_known_exit = pl.when(pl.col("exit_date") <= as_of)
        return rows.with_columns(is_known_exit.then(name).alias(name) for name in ("exit_date", "exit_type"))
    return rows
