"""Published attendance rules."""

from __future__ import annotations

from cis_ews.enums import Domain
from cis_ews.risk.rule_catalog.parts import MINIMUM_DAYS, absent
from cis_ews.risk.rule_terms import (
    AllOf,
    AnyOf,
    Condition,
    Evidence,
    FlagRule,
    Is,
    Level,
    MonthDay,
    Number,
    Season,
)

ATTENDANCE_WORKS = "Attendance Works"
ATTENDANCE_WORKS_SOURCE = "Attendance Works, attendanceworks.org, What activates support"
FIRST_MONTHS: tuple[MonthDay, ...] = (
    (9, 30), (10, 31), (11, 30), (12, 31), (1, 31), (2, 28), (3, 31), (4, 30), (5, 31), (7, 31)
)  # fmt: skip
DAYS_A_MONTH = 2


def _month(number: int) -> Condition:
    """At least two days missed for every month of school so far, asked during one month of school."""
    day_after = {
        9: (10, 1),
        10: (11, 1),
        11: (12, 1),
        12: (1, 1),
        1: (2, 1),
        2: (3, 1),
        3: (4, 1),
        4: (5, 1),
        5: (6, 1),
    }
    first = (8, 1) if number == 1 else day_after[FIRST_MONTHS[number - 2][0]]
    last = FIRST_MONTHS[number - 1]
    return AllOf((Season(first, last), Number("days_absent_ytd", ">=", DAYS_A_MONTH * number)))


def _this_year_then_last(percent: int) -> Condition:
    """This year's share from day 20 on; before that, last year's."""
    return AnyOf(
        (
            AllOf((Number("days_enrolled_ytd", ">=", MINIMUM_DAYS), absent("ytd", ">=", percent))),
            AllOf((Number("days_enrolled_ytd", "<", MINIMUM_DAYS), absent("last_year", ">=", percent))),
        )
    )


_THIS_YEAR = "Missed {days_absent_ytd} of {days_enrolled_ytd:school day|school days} this year"

CHRONIC_ABSENCE = FlagRule(
    name="chronic_absence",
    title="Chronic absence",
    authority=ATTENDANCE_WORKS,
    source="Attendance Works, attendanceworks.org, Chronic absence: missing 10 % of school days for any reason",
    evidence=Evidence.PRIMARY,
    domain=Domain.ATTENDANCE,
    window="school year to date, from 20 days enrolled",
    levels=(
        Level(
            concern=2,
            when=absent("ytd", ">=", 10),
            sentence=_THIS_YEAR + " ({absence_rate_ytd:%}); 10 % or more is chronic absence",
        ),
    ),
    note="parts of days add up as they were recorded",
)

ATTENDANCE_RULES: tuple[FlagRule, ...] = (
    FlagRule(
        name="attendance_works_this_year",
        title="Days missed this year",
        authority=ATTENDANCE_WORKS,
        source=ATTENDANCE_WORKS_SOURCE,
        evidence=Evidence.PRIMARY,
        domain=Domain.ATTENDANCE,
        window="school year to date, from 20 days enrolled",
        levels=(
            Level(
                name="tier_3",
                concern=3,
                when=AnyOf((absent("ytd", ">=", 20), Is("no_improvement_under_tier_2"))),
                sentence=_THIS_YEAR + " ({absence_rate_ytd:%}); from 20 % on, one-on-one support is advised",
            ),
        ),
        note="the third trigger, no improvement under Tier 2, is not in school data",
    ),
    CHRONIC_ABSENCE,
    FlagRule(
        name="attendance_works_first_months",
        title="Days missed by month of school",
        authority=ATTENDANCE_WORKS,
        source=ATTENDANCE_WORKS_SOURCE,
        evidence=Evidence.PRIMARY,
        domain=Domain.ATTENDANCE,
        window="school year to date; month 1 ends on September 30",
        levels=(
            Level(
                name="tier_2",
                concern=2,
                when=AnyOf(tuple(_month(number) for number in range(1, len(FIRST_MONTHS) + 1))),
                sentence=_THIS_YEAR + "; 2 or more for each month of school is a sign to reach out",
            ),
        ),
        note="2 days by the end of month 1, 4 by month 2, 6 by month 3, and 2 more each month",
    ),
)
