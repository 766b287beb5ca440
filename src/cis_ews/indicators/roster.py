"""Who has a row, and what enrollments alone tell: the student's school and grade, changes of school, first grade 9."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.indicators.windows import EnrolledYear, known_enrollments
from cis_ews.schema.school_data import SchoolData

HIGH_SCHOOL = (GradeLevel.G9, GradeLevel.G10, GradeLevel.G11, GradeLevel.G12)


def build_roster(school_data: SchoolData, *, school_year: int, as_of: date) -> pl.DataFrame:
    """One row a student with an enrollment of the school year that has begun, sorted by `student_id`.

    `student`: the index by which the other modules join. `school_id`, `grade_level`: of the current enrollment, or of
    the latest where there is none; of several, the latest entry, then the lowest `school_id`. `is_enrolled`: enrolled
    on `as_of`.
    """
    known = known_enrollments(school_data.enrollments, school_year=school_year, as_of=as_of)
    ranked = known.sort("student_id", "is_current", "entry_date", "school_id", descending=[False, True, True, False])
    levels = school_data.schools.select("school_id", school_level="level")
    return (
        ranked.unique("student_id", keep="first", maintain_order=True)
        .select("student_id", "school_id", "grade_level", is_enrolled="is_current")
        .join(levels, on="school_id", how="left", maintain_order="left")
        .with_columns(school_year=pl.lit(school_year, pl.Int16))
        .with_row_index("student")
    )


def roster_indicators(
    school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Identity, `days_enrolled_ytd`, changes of school and first-time grade 9, one row a student of the roster."""
    changes = _school_changes(school_data, roster, this_year).rename({"changes": "school_changes_ytd"})
    earlier = _school_changes(school_data, roster, last_year).rename({"changes": "school_changes_last_year"})
    days = this_year.reported.totals().rename({"total": "days_enrolled_ytd"})
    beside = side_by_side(roster, [days, changes, earlier]).drop("student")
    first_time = _first_time_grade_9(school_data, this_year)
    return pl.concat([roster, beside], how="horizontal").with_columns(is_first_time_grade_9=first_time)


def side_by_side(roster: pl.DataFrame, parts: Iterable[pl.DataFrame | pl.LazyFrame]) -> pl.DataFrame:
    """Parts keyed by `student` as one frame in the order of the roster, null where a part has no row."""
    students = roster.select("student")
    aligned = [
        students.join(part.lazy().collect(), on="student", how="left", maintain_order="left").drop("student")
        for part in parts
    ]
    return pl.concat([students, *aligned], how="horizontal")


def _school_changes(school_data: SchoolData, roster: pl.DataFrame, year: EnrolledYear) -> pl.DataFrame:
    """Entries into another school than the one entered before it, on a later day: `student`, `changes`."""
    known = known_enrollments(school_data.enrollments, school_year=year.school_year, as_of=year.as_of)
    several = known.filter(pl.col("student_id").is_duplicated()).sort("student_id", "entry_date", "school_id")
    same_student = pl.col("student_id") == pl.col("student_id").shift(1)
    moved = pl.col("school_id") != pl.col("school_id").shift(1)
    later = pl.col("entry_date") > pl.col("entry_date").shift(1)
    moves = several.filter(same_student & moved & later).group_by("student_id").agg(changes=pl.len())
    counted = roster.select("student", "student_id").join(moves, on="student_id").drop("student_id")
    enrolled = year.elapsed.totals().select("student")
    return enrolled.join(counted, on="student", how="left").with_columns(pl.col("changes").fill_null(0))


def _first_time_grade_9(school_data: SchoolData, year: EnrolledYear) -> pl.Expr:
    """In grade 9 and in no high-school grade of an earlier year; null where the extract has no earlier year."""
    if school_data.calendar_days.filter(pl.col("school_year") < year.school_year).is_empty():
        return pl.lit(None, pl.Boolean)
    earlier = school_data.enrollments.filter(
        pl.col("school_year") < year.school_year,
        pl.col("entry_date") <= year.as_of,
        pl.col("grade_level").is_in(HIGH_SCHOOL),
    ).select(pl.col("student_id").unique())
    known_before = pl.col("student_id").is_in(earlier.get_column("student_id").implode())
    return pl.when(pl.col("grade_level").is_not_null()).then((pl.col("grade_level") == GradeLevel.G9) & ~known_before)
