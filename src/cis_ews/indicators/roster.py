"""Who has a row, and what enrollments alone tell: the student's school and grade, changes of school, first grade 9."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.indicators.windows import EnrolledYear, known_enrollments
from cis_ews.schema.school_data import SchoolData
from cis_ews.texts import places_of

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
        .with_columns(pl.col("student").cast(pl.Int32))
    )


def roster_indicators(
    school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Identity, `days_enrolled_ytd`, changes of school and first-time grade 9, one row a student of the roster."""
    return roster.with_columns(
        days_enrolled_ytd=this_year.reported.totals(),
        school_changes_ytd=_school_changes(school_data, roster, this_year),
        school_changes_last_year=_school_changes(school_data, roster, last_year),
        is_first_time_grade_9=_first_time_grade_9(school_data, this_year),
    )


def of_roster(ids: pl.Series, roster: pl.DataFrame, **columns: pl.Series) -> pl.DataFrame:
    """The rows of the roster's students, by their place in it: `student` and the columns given, students in order."""
    student = pl.Series(places_of(ids, roster.get_column("student_id")))
    rows = pl.DataFrame({"student": student, **columns}).filter(student >= 0)
    return rows if rows.get_column("student").is_sorted() else rows.sort("student", maintain_order=True)


def side_by_side(roster: pl.DataFrame, parts: Iterable[pl.DataFrame | pl.LazyFrame]) -> pl.DataFrame:
    """Parts keyed by `student` as one frame in the order of the roster, null where a part has no row."""
    students = roster.select("student")
    aligned = [
        students.join(part.lazy().collect(), on="student", how="left", maintain_order="left").drop("student")
        for part in parts
    ]
    return pl.concat([students, *aligned], how="horizontal")


def _school_changes(school_data: SchoolData, roster: pl.DataFrame, year: EnrolledYear) -> pl.Series:
    """Entries into another school than the one entered before it, on a later day; null for who was not enrolled."""
    known = known_enrollments(school_data.enrollments, school_year=year.school_year, as_of=year.as_of)
    entered = of_roster(known["student_id"], roster, school_id=known["school_id"], entry_date=known["entry_date"])
    several = entered.filter(pl.col("student").is_duplicated()).sort("student", "entry_date", "school_id")
    same_student = pl.col("student") == pl.col("student").shift(1)
    moved = pl.col("school_id") != pl.col("school_id").shift(1)
    later = pl.col("entry_date") > pl.col("entry_date").shift(1)
    moves = several.filter(same_student & moved & later).get_column("student")
    changes = pl.Series(np.bincount(moves.to_numpy(), minlength=roster.height))
    return pl.select(pl.when(year.elapsed.totals().is_not_null()).then(changes)).to_series()


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
