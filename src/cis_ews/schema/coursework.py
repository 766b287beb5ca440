"""Marks and credits."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from cis_ews.enums import Subject


class CourseGrades(dy.Schema):
    """One row a student, course and term.

    `mark`: the letter or word on the report card. `percent`: 0 to 100, up to 120 with extra credit. `grade_points`: 0
    to 4, up to 5 where weighted. Credits are in full-year courses (a semester course is 0.5); a source in other units
    is converted by its mapping. `graded_on`: the day from which the grade is known; where it is null, the last day of
    its term. `is_final`: the mark that stands on the transcript. `assignments`: those of the course and term of which
    anything is known on that day; `assignments_missing_or_late`: those of them that are not handed in, not whole, or
    were handed in late, each counted once. Both are null where the source does not tell of them.
    """

    student_id = dy.String(primary_key=True, min_length=1)
    school_id = dy.String(primary_key=True, min_length=1)
    course_id = dy.String(primary_key=True, min_length=1)
    school_year = dy.Int16(primary_key=True, min=1990, max=2100)
    term = dy.String(primary_key=True, min_length=1)
    subject = dy.Enum(Subject)
    is_core = dy.Bool()
    mark = dy.String(nullable=True)
    percent = dy.Float64(nullable=True, min=0.0, max=120.0)
    grade_points = dy.Float64(nullable=True, min=0.0, max=5.0)
    credits_attempted = dy.Float64(nullable=True, min=0.0, max=20.0)
    credits_earned = dy.Float64(nullable=True, min=0.0, max=20.0)
    graded_on = dy.Date(nullable=True)
    is_final = dy.Bool()
    assignments = dy.Int32(nullable=True, min=0, max=10_000)
    assignments_missing_or_late = dy.Int32(nullable=True, min=0, max=10_000)

    @dy.rule()
    def earns_no_more_than_attempted(cls) -> pl.Expr:
        """Credits earned are at most the credits attempted, where both are known."""
        either_unknown = pl.col("credits_attempted").is_null() | pl.col("credits_earned").is_null()
        return either_unknown | (pl.col("credits_earned") <= pl.col("credits_attempted"))

    @dy.rule()
    def missing_or_late_no_more_than_all(cls) -> pl.Expr:
        """Assignments missing or late are told of a number of assignments, and are at most that number."""
        told = pl.col("assignments_missing_or_late")
        return told.is_null() | (told <= pl.col("assignments")).fill_null(value=False)
