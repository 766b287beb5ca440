"""Attendance as schools record it: exceptions, or every day."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from cis_ews.enums import AttendanceStatus


class AttendanceEvents(dy.Schema):
    """One row a student, school and day on which something was recorded.

    Exceptions are enough: on an instructional day while enrolled, no event means present. `fraction_absent`: the part
    of the scheduled day that was missed, 0 to 1. A tardy is no absence: its fraction is kept and not added up.
    """

    student_id = dy.String(primary_key=True, min_length=1)
    school_id = dy.String(primary_key=True, min_length=1)
    date = dy.Date(primary_key=True)
    status = dy.Enum(AttendanceStatus)
    fraction_absent = dy.Float64(min=0.0, max=1.0)

    @dy.rule()
    def present_misses_nothing(cls) -> pl.Expr:
        """A student recorded as present missed no part of the day."""
        return (pl.col("status") != AttendanceStatus.PRESENT) | (pl.col("fraction_absent") == 0)

    @dy.rule()
    def absent_misses_something(cls) -> pl.Expr:
        """A student recorded as absent missed some part of the day."""
        absent = pl.col("status").is_in([AttendanceStatus.EXCUSED, AttendanceStatus.UNEXCUSED])
        return ~absent | (pl.col("fraction_absent") > 0)


class Reporting(dy.Schema):
    """One row a school: `reported_through` is the last day whose absences the school has entered."""

    school_id = dy.String(primary_key=True, min_length=1)
    reported_through = dy.Date()
