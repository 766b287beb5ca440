"""Earlier school years, summed up."""

from __future__ import annotations

import dataframely as dy
import polars as pl


class StudentYears(dy.Schema):
    """One row a student and earlier school year: what is known of a year without its daily rows.

    Where an extract has the rows of a year itself, these count and the summary does not. Every column but the key is
    null where it is not known. `days_enrolled`: instructional days while enrolled. `days_absent`: parts of days missed,
    added up. `incidents`: as an offender, minor and major. `suspensions`: out-of-school suspensions and expulsions.
    `grade_points`: mean of all marks that have them. `course_failures`: final marks failed. `school_changes`: entries
    into another school within the year.
    """

    student_id = dy.String(primary_key=True, min_length=1)
    school_year = dy.Int16(primary_key=True, min=1990, max=2100)
    days_enrolled = dy.Int16(nullable=True, min=0, max=366)
    days_absent = dy.Float64(nullable=True, min=0.0, max=366.0)
    incidents = dy.Int32(nullable=True, min=0, max=10_000)
    suspensions = dy.Int32(nullable=True, min=0, max=1_000)
    grade_points = dy.Float64(nullable=True, min=0.0, max=5.0)
    course_failures = dy.Int32(nullable=True, min=0, max=1_000)
    school_changes = dy.Int32(nullable=True, min=0, max=366)

    @dy.rule()
    def absent_no_more_than_enrolled(cls) -> pl.Expr:
        """Days absent are at most the days enrolled, where both are known."""
        either_unknown = pl.col("days_enrolled").is_null() | pl.col("days_absent").is_null()
        return either_unknown | (pl.col("days_absent") <= pl.col("days_enrolled"))
