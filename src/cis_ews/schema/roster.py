"""Who goes to which school, and when: schools, calendar, students, demographics, enrollments."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from cis_ews.enums import EnglishLearner, ExitType, GradeLevel, SchoolLevel


class Schools(dy.Schema):
    """One row a school.

    `school_id`: the district's or state's own code, as text. `district_id`: the district that runs it. `level`:
    elementary, middle, high or other; null where the source does not say.
    """

    school_id = dy.String(primary_key=True, min_length=1)
    district_id = dy.String(min_length=1)
    name = dy.String(nullable=True)
    level = dy.Enum(SchoolLevel, nullable=True)


class CalendarDays(dy.Schema):
    """One row a school and calendar day.

    `is_instructional`: students were expected. `school_year`: the year in which it ends (2026 = 2025-26). `term`: the
    grading term that the day belongs to, in the source's words; null where there are none.
    """

    school_id = dy.String(primary_key=True, min_length=1)
    date = dy.Date(primary_key=True)
    is_instructional = dy.Bool()
    school_year = dy.Int16(min=1990, max=2100)
    term = dy.String(nullable=True)


class Students(dy.Schema):
    """One row a student. Names and birth dates are shown to authorised people only and never become a feature."""

    student_id = dy.String(primary_key=True, min_length=1)
    first_name = dy.String(nullable=True)
    last_name = dy.String(nullable=True)
    birth_date = dy.Date(nullable=True)


class Demographics(dy.Schema):
    """One row a student, for the audit of fairness only; read by `evaluation/equity.py` and nothing else."""

    student_id = dy.String(primary_key=True, min_length=1)
    gender = dy.String(nullable=True)
    race_ethnicity = dy.String(nullable=True)
    english_learner = dy.Enum(EnglishLearner, nullable=True)
    disability = dy.Bool(nullable=True)
    low_income = dy.Bool(nullable=True)
    homeless = dy.Bool(nullable=True)
    foster = dy.Bool(nullable=True)


class Enrollments(dy.Schema):
    """One row an enrollment of a student in a school.

    `entry_date`: the first day enrolled. `exit_date`: the last day enrolled; null while the enrollment is open.
    `exit_type`: null while it is open or where the source does not say.
    """

    student_id = dy.String(primary_key=True, min_length=1)
    school_id = dy.String(primary_key=True, min_length=1)
    entry_date = dy.Date(primary_key=True)
    school_year = dy.Int16(min=1990, max=2100)
    grade_level = dy.Enum(GradeLevel, nullable=True)
    exit_date = dy.Date(nullable=True)
    exit_type = dy.Enum(ExitType, nullable=True)

    @dy.rule()
    def exit_not_before_entry(cls) -> pl.Expr:
        """An enrollment ends on or after the day it began."""
        return pl.col("exit_date").is_null() | (pl.col("exit_date") >= pl.col("entry_date"))
