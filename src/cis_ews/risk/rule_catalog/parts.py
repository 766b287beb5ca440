"""Grades, seasons and conditions that several rules share, and the inputs that no school data have."""

from __future__ import annotations

from cis_ews.enums import GradeLevel
from cis_ews.indicators.windows import DAY_PARTS
from cis_ews.risk.rule_terms import AnyOf, Comparison, Is, Number, Season, Share

MINIMUM_DAYS = 20
"""A share of days says little before this many days enrolled: EWIMS looks first at day 20 to 30, and the open Ed-Fi
warehouse counts a student from day 20 on."""
GRADES = tuple(GradeLevel)
K_TO_12 = GRADES[1:]
K_TO_8 = GRADES[1:10]
GRADE_1 = (GradeLevel.G1,)
GRADE_6 = (GradeLevel.G6,)
GRADES_6_TO_8 = GRADES[7:10]
GRADE_9 = (GradeLevel.G9,)
HIGH_SCHOOL = GRADES[10:]
TRANSITION_GRADES = (GradeLevel.G6, GradeLevel.G9)

END_OF_YEAR = Season(first=(6, 15))

SUSPENDED = Number("suspensions_ytd", ">=", 1)
SUSPENDED_IN_OR_OUT_OF_SCHOOL = AnyOf((SUSPENDED, Number("in_school_suspensions_ytd", ">=", 1)))
FAILING_ENGLISH = Is("failing_english")
FAILING_MATH = Is("failing_math")

EXTERNAL_INPUTS = {
    "age_6_or_7": "whether the child is 6 or 7 years old",
    "age_under_17": "whether the child is under 17",
    "below_grade_level": "whether reading or math is below grade level",
    "no_improvement_under_tier_2": "whether Tier 2 support has helped",
    "reading_percentile": "the reading percentile",
    "state_test_level_english": "the level on the state English test",
    "state_test_level_math": "the level on the state math test",
    "unsatisfactory_behavior_mark": "the behavior mark in core courses",
}
"""Inputs that published rules ask for and school data do not have, in words. A rule that hangs on one abstains."""


def absent(window: str, comparison: Comparison, percent: int, *, minimum_days: int = MINIMUM_DAYS) -> Share:
    """Absence as a share of the days enrolled in a window (`ytd`, `first_20`, `last_45`, `last_year`)."""
    return Share(
        indicator=f"absence_rate_{window}",
        part=f"absent_parts_{window}",
        units=DAY_PARTS,
        whole=f"days_enrolled_{window}",
        comparison=comparison,
        percent=percent,
        minimum_days=minimum_days,
    )
