"""Features of the student's place: grade, time, school. They may raise or lower a risk, and are never told as a reason.

A child is no reason for concern because of a school, a grade or a move.
"""

from __future__ import annotations

from functools import partial

from cis_ews.enums import Domain, GradeLevel
from cis_ews.risk.feature_catalog.feature import DAYS_ENROLLED, Column, Feature, OthersRate, Position

DAY_PARTS = 25_200
"""Parts of a day in which the table of indicators counts absence."""
AS_OF, YTD, LAST_YEAR = "as-of date", "year to date", "last school year"
SCHOOL, MOVES = "the school", "changes of school"
FEW_OTHERS = "fewer than 10 others in the school of whom it is known"
GRADES = tuple(grade.value for grade in GradeLevel if grade != GradeLevel.PK)

_context = partial(Feature, domain=Domain.CONTEXT)


def _school(name: str, value: OthersRate, *, unit: str, definition: str) -> Feature:
    return _context(
        name=name,
        topic=SCHOOL,
        value=value,
        window=YTD,
        unit=unit,
        definition=f"{definition} All others in the school, without the student.",
        indicator=value.part,
        missing=FEW_OTHERS,
    )


STUDENT = (
    _context(
        name="grade",
        topic="grade",
        value=Position("grade_level", GRADES),
        window=AS_OF,
        unit="grade",
        definition="Grade as a number; kindergarten is 0.",
        indicator="grade_level",
        missing="no grade is known, or PreK",
    ),
    _context(
        name="days_enrolled",
        topic="time of the year",
        value=Column(DAYS_ENROLLED),
        window=YTD,
        unit="days",
        definition="Days enrolled: the school day of the year of whoever was there from the first day.",
        indicator=DAYS_ENROLLED,
    ),
    _context(
        name="school_changes_ytd",
        topic=MOVES,
        value=Column("school_changes_ytd"),
        window=YTD,
        unit="count",
        definition="Entries into another school in the course of the year.",
        indicator="school_changes_ytd",
    ),
    _context(
        name="school_changes_last_year",
        topic=MOVES,
        value=Column("school_changes_last_year"),
        window=LAST_YEAR,
        unit="count",
        definition="The same in the year before.",
        indicator="school_changes_last_year",
        missing="not enrolled last year",
    ),
    _context(
        name="first_time_grade_9",
        topic="grade",
        value=Column("is_first_time_grade_9"),
        window="all years of the extract",
        unit="yes is 1",
        definition="In grade 9 for the first time.",
        indicator="is_first_time_grade_9",
        missing="the extract has no earlier year, or no grade is known",
    ),
)

OTHERS = (
    _school(
        "school_absence_rate",
        OthersRate(part="absent_parts_ytd", whole=DAYS_ENROLLED, units=DAY_PARTS),
        unit="rate, 0 to 1",
        definition="Days absent over days enrolled.",
    ),
    _school(
        "school_chronic_share",
        OthersRate(part="chronically_absent"),
        unit="rate, 0 to 1",
        definition="Share who missed 10 % of their days or more.",
    ),
    _school(
        "school_incidents_per_100_days",
        OthersRate(part="incidents_ytd", whole=DAYS_ENROLLED, per=100),
        unit="per 100 days",
        definition="Incidents in 100 days enrolled.",
    ),
    _school(
        "school_failing_share",
        OthersRate(part="failing_courses", whole="courses_latest_term"),
        unit="rate, 0 to 1",
        definition="Courses failed over courses with a mark or percent.",
    ),
)

CONTEXT = (*STUDENT, *OTHERS)
