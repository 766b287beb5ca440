"""Schools, students and enrollments of Ed-Fi as the roster of the contract."""

from __future__ import annotations

import polars as pl

from cis_ews.readers.edfi_cells import Descriptors, resolved, school_year
from cis_ews.readers.edfi_stream import Package
from cis_ews.readers.ledger import Ledger
from cis_ews.wording import counted

PLACE = ("file", "row_number")
MOVES = ("StudentSchoolAttendanceEvent", "StudentSectionAttendanceEvent", "DisciplineAction")
"""Records of a day, a student and a school, of which enrollments are derived where the package has none."""


def schools_of(package: Package, descriptors: Descriptors) -> pl.DataFrame:
    """`school_id`, `district_id`, `name`, `level`; a school without a district is one of its own."""
    rows = resolved(package.rows("School"), "district_id", package.rows("LocalEducationAgency"), value="district_id")
    return rows.with_columns(
        descriptors.word(rows, "category", kind="school_levels").alias("level"),
        pl.coalesce("district_id", "school_id").alias("district_id"),
    ).select("school_id", "district_id", "name", "level", *PLACE)


def of_people(package: Package, record: str) -> pl.DataFrame:
    """The rows of a record with the references to students and schools resolved."""
    rows = package.rows(record)
    if "student_id" in rows.columns:
        rows = resolved(rows, "student_id", package.rows("Student"), value="student_id")
    if "school_id" in rows.columns:
        rows = resolved(rows, "school_id", package.rows("School"), value="school_id")
    return rows


def enrollments_of(
    package: Package, descriptors: Descriptors, *, sessions: pl.DataFrame, ledger: Ledger
) -> pl.DataFrame:
    """Enrollments as they are recorded; where a package has none, derived from its attendance and discipline.

    `sessions`: `school_id`, `school_year`, `begins`, `ends`.
    """
    rows = of_people(package, "StudentSchoolAssociation")
    if rows.is_empty():
        return _derived(package, sessions, ledger=ledger)
    rows = rows.with_columns(
        descriptors.word(rows, "grade", kind="grade_levels").alias("grade_level"),
        descriptors.word(rows, "exit", kind="exits").alias("exit_type"),
        school_year("school_year"),
    )
    silent = rows["school_year"].null_count()
    ledger.note(
        f"enrollments: {counted(silent, 'does', 'do')} not say their school year; the day of entry decides", silent
    )
    entry = pl.col("entry_date").str.to_date("%Y-%m-%d", strict=False)
    by_entry = (entry.dt.year() + (entry.dt.month() >= 7).cast(pl.Int32)).cast(pl.Int16)
    return rows.with_columns(
        pl.coalesce("school_year", by_entry), pl.when(pl.col("exit_date").is_not_null()).then("exit_type")
    ).select("student_id", "school_id", "entry_date", "school_year", "grade_level", "exit_date", "exit_type", *PLACE)


def _derived(package: Package, sessions: pl.DataFrame, *, ledger: Ledger) -> pl.DataFrame:
    """One enrollment a student, school and school year of which anything is recorded, from the year's first day on.

    What is recorded after the as-of date enrolls nobody: the package no longer has it (`edfi_known`).
    """
    named = [of_people(package, record).select("student_id", "school_id", "date") for record in MOVES]
    days = pl.concat(named).with_columns(pl.col("date").str.to_date("%Y-%m-%d", strict=False)).drop_nulls().unique()
    years = sessions.group_by("school_id", "school_year").agg(
        pl.col("begins").min().alias("entry_date"), pl.col("ends").max()
    )
    of_year = days.join(years, on="school_id").filter(pl.col("date").is_between("entry_date", "ends"))
    found = of_year.drop("date", "ends").unique().sort("student_id", "school_id", "school_year")
    ledger.note(
        "enrollments: the package has none; a student is taken as enrolled, from the first day of the school year on, "
        "in each school where an absence or a disciplinary action is recorded; grade levels are not known"
    )
    return found.select(
        "student_id",
        "school_id",
        pl.col("entry_date").dt.to_string("%Y-%m-%d"),
        pl.col("school_year"),
        pl.lit(None, dtype=pl.String).alias("grade_level"),
        pl.lit(None, dtype=pl.String).alias("exit_date"),
        pl.lit(None, dtype=pl.String).alias("exit_type"),
        pl.lit(None, dtype=pl.String).alias("file"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row_number"),
    )


def students_of(package: Package) -> pl.DataFrame:
    """`student_id`, names, birth date of everyone whom the package knows, in a school or not."""
    return package.rows("Student").select("student_id", "first_name", "last_name", "birth_date", *PLACE)
