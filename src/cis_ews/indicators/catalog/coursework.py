"""Coursework indicators, one by one."""

from __future__ import annotations

import polars as pl

from cis_ews.enums import Domain
from cis_ews.indicators.catalog.indicator import Indicator

LATEST = "latest term with marks this year"
PREVIOUS = "the term with marks before it"
BOTH = "latest and previous term"
YTD = "year to date"
ASSIGNED = "latest term with assignments this year, so far"
LAST_YEAR = "last school year"
NO_MARKS = "no mark this year yet"
NO_FINALS = "no final mark this year yet"
NO_GRADES = "no mark this year yet, or of such courses not one has a grade"
NO_FINAL_GRADES = "no final mark this year yet, or of such marks not one is a grade"
NO_CREDITS = "no final mark with credits this year yet"
STUDENT_INSIGHTS = "Student Insights, high-school levels"
CHICAGO = "University of Chicago, freshman on-track"
WASHINGTON = "Washington OSPI, grade 9 on track"


def _coursework(
    name: str, dtype: pl.DataType, *, unit: str, window: str, definition: str, null_when: str, source: str = ""
) -> Indicator:
    return Indicator(
        name=name,
        domain=Domain.COURSEWORK,
        dtype=dtype,
        unit=unit,
        window=window,
        definition=definition,
        null_when=null_when,
        source=source,
    )


def _count(
    name: str,
    definition: str,
    *,
    unit: str = "courses",
    window: str = LATEST,
    null_when: str = NO_MARKS,
    source: str = "",
) -> Indicator:
    return _coursework(
        name, pl.Int32(), unit=unit, window=window, definition=definition, null_when=null_when, source=source
    )


def _number(
    name: str, unit: str, definition: str, *, window: str, null_when: str = "no such value", source: str = ""
) -> Indicator:
    return _coursework(
        name, pl.Float64(), unit=unit, window=window, definition=definition, null_when=null_when, source=source
    )


def _failing_subject(subject: str) -> Indicator:
    return _coursework(
        f"failing_{subject}",
        pl.Boolean(),
        unit="yes or no",
        window=LATEST,
        definition=f"Failing a course in {subject}.",
        null_when="the subject has no grade in that term",
        source="Balfanz; Florida",
    )


AVERAGES = (
    _coursework(
        "latest_term",
        pl.String(),
        unit="term",
        window=LATEST,
        definition="The last term, in the order of the calendar, in which a mark or percent of the student is known.",
        null_when=NO_MARKS,
    ),
    _count("courses_latest_term", "Courses with a mark or percent."),
    _number("percent_average_latest_term", "percent", "Mean of the courses' percents.", window=LATEST),
    _number("percent_average_previous_term", "percent", "Mean of the courses' percents.", window=PREVIOUS),
    _number("mark_trend", "percent", "Mean percent of the latest term less the previous one's.", window=BOTH),
    _number("percent_average_ytd", "percent", "Mean of all percents known this year.", window=YTD),
    _number("gpa_latest_term", "grade points", "Mean grade points of the courses that have them.", window=LATEST),
    _number(
        "gpa_ytd",
        "grade points",
        "Mean grade points of all marks known this year that have them.",
        window=YTD,
        source="EWIMS",
    ),
    _number("gpa_last_year", "grade points", "Mean grade points of all marks that have them.", window=LAST_YEAR),
    _number("gpa_trend", "grade points", "Mean grade points of the latest term less the previous one's.", window=BOTH),
)

FAILING = (
    _count(
        "failing_courses",
        "Courses failed: a mark of F, E, NC, U, N, NP or FAIL; without a grade mark, a percent below 60.",
        null_when=NO_GRADES,
    ),
    _count("failing_core_courses", "Core courses failed.", null_when=NO_GRADES),
    _count(
        "near_failing_core_courses",
        "Core courses with a D; without a grade mark, a percent of 60 to below 70.",
        null_when=NO_GRADES,
    ),
    _failing_subject("english"),
    _failing_subject("math"),
    _number("percent_english", "percent", "Mean percent of English courses.", window=LATEST),
    _number("percent_math", "percent", "Mean percent of mathematics courses.", window=LATEST),
    _count(
        "d_marks_latest_term",
        "Percents above 65 and up to 69, and Ds without a percent; 65 itself is neither D nor F.",
        null_when=NO_GRADES,
        source=STUDENT_INSIGHTS,
    ),
    _count(
        "f_marks_latest_term",
        "Percents below 65, and failing marks.",
        null_when=NO_GRADES,
        source=STUDENT_INSIGHTS,
    ),
    _count("missing_marks", "Courses without mark and percent."),
)

NO_ASSIGNMENTS = "no assignment is known this year yet, or the source does not tell of missing and late ones"
ASSIGNMENTS = (
    _count(
        "assignments_latest_term",
        "Assignments of all courses that are known so far.",
        unit="assignments",
        window=ASSIGNED,
        null_when=NO_ASSIGNMENTS,
    ),
    _count(
        "missing_or_late_assignments",
        "Those of them that are missing, incomplete or were handed in late, each counted once.",
        unit="assignments",
        window=ASSIGNED,
        null_when=NO_ASSIGNMENTS,
    ),
    _number(
        "missing_or_late_share",
        "rate",
        "Missing or late assignments over all of them.",
        window=ASSIGNED,
        null_when=NO_ASSIGNMENTS,
    ),
)

CREDITS = (
    _count(
        "course_failures_ytd",
        "Final marks failed, all courses.",
        window=YTD,
        null_when=NO_FINAL_GRADES,
        source="EWIMS",
    ),
    _count(
        "core_semester_failures_ytd",
        "Final marks failed in core courses.",
        window=YTD,
        null_when=NO_FINAL_GRADES,
        source=CHICAGO,
    ),
    _count(
        "course_failures_last_year",
        "Final marks failed.",
        window=LAST_YEAR,
        null_when="no final mark last year, or not one is a grade, and no summary of it is known",
    ),
    _count("incomplete_marks_ytd", "Final marks of I or INC.", window=YTD, null_when=NO_FINALS, source=WASHINGTON),
    _number(
        "credits_attempted_ytd",
        "credits",
        "Credits attempted in final marks; a withdrawn course was not attempted.",
        window=YTD,
        null_when=NO_CREDITS,
        source=f"{CHICAGO}; {WASHINGTON}",
    ),
    _number(
        "credits_earned_ytd", "credits", "Credits earned in the same.", window=YTD, null_when=NO_CREDITS, source=CHICAGO
    ),
    _number(
        "credits_attempted_not_earned_ytd",
        "credits",
        "Credits attempted less credits earned.",
        window=YTD,
        null_when=NO_CREDITS,
        source=WASHINGTON,
    ),
    _number(
        "credits_earned_total",
        "credits",
        "Credits earned in the final marks of every year in the extract, without years spent below grade 9.",
        window="all years of the extract",
        null_when="no final mark with credits in the extract",
    ),
    _number(
        "credits_expected",
        "credits",
        "Six for every high-school year completed before this one.",
        window="as-of date",
        null_when="not in grades 9 to 12",
    ),
    _number(
        "credits_gap",
        "credits",
        "Credits expected less credits earned, not below zero.",
        window="all years of the extract",
        null_when="not in grades 9 to 12, or the extract's credits do not reach back to grade 9",
    ),
)

COURSEWORK = (*AVERAGES, *FAILING, *ASSIGNMENTS, *CREDITS)
