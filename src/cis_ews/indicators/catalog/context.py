"""Who the row is about, and what enrollments alone tell; never null for want of a domain."""

from __future__ import annotations

import polars as pl

from cis_ews.enums import Domain, GradeLevel, SchoolLevel
from cis_ews.indicators.catalog.indicator import Indicator


def _context(
    name: str, dtype: pl.DataType, *, unit: str, window: str, definition: str, null_when: str = "", source: str = ""
) -> Indicator:
    return Indicator(
        name=name,
        domain=Domain.CONTEXT,
        dtype=dtype,
        unit=unit,
        window=window,
        definition=definition,
        null_when=null_when,
        source=source,
    )


IDENTITY = (
    _context("student_id", pl.String(), unit="text", window="as-of date", definition="The student."),
    _context(
        "school_id",
        pl.String(),
        unit="text",
        window="as-of date",
        definition="School of the current enrollment, or of the latest one where there is none; of several at once, "
        "the latest entry, then the lowest school id.",
    ),
    _context(
        "grade_level",
        pl.Enum([grade.value for grade in GradeLevel]),
        unit="grade",
        window="as-of date",
        definition="Grade of the same enrollment.",
        null_when="the enrollment has no grade",
    ),
    _context(
        "school_year",
        pl.Int16(),
        unit="year",
        window="as-of date",
        definition="School year of the as-of date, named by the year in which it ends: 2026 is 2025-26.",
    ),
    _context(
        "is_enrolled",
        pl.Boolean(),
        unit="yes or no",
        window="as-of date",
        definition="Enrolled on the as-of date; the exit date is the last day enrolled.",
    ),
    _context(
        "school_level",
        pl.Enum([level.value for level in SchoolLevel]),
        unit="level",
        window="as-of date",
        definition="Level of that school.",
        null_when="the source does not say",
    ),
)

ENROLLMENT = (
    _context(
        "days_enrolled_ytd",
        pl.Int32(),
        unit="days",
        window="year to date",
        definition="Instructional days of the student's schools while enrolled, from the calendar and never from "
        "counting events, up to the as-of date or the last day that the school has reported.",
        source="Attendance Works; Ed-Fi edu_wh (cut at the last reported day)",
    ),
    _context(
        "school_changes_ytd",
        pl.Int32(),
        unit="count",
        window="year to date",
        definition="Entries into another school than the one entered before, on a later day of the same school year.",
    ),
    _context(
        "school_changes_last_year",
        pl.Int32(),
        unit="count",
        window="last school year",
        definition="The same in the school year before.",
        null_when="the student was not enrolled last year, and no summary of it is known",
    ),
    _context(
        "is_first_time_grade_9",
        pl.Boolean(),
        unit="yes or no",
        window="all years of the extract",
        definition="In grade 9 now and in none of grades 9 to 12 in an earlier school year.",
        source="Washington OSPI; University of Chicago (both judge first-time grade 9)",
        null_when="the extract has no earlier year, or the grade is not known",
    ),
)

CONTEXT = (*IDENTITY, *ENROLLMENT)
