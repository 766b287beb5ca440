"""Published attendance rules."""

from __future__ import annotations

from cis_ews.risk.rule_catalog.parts import HIGH_SCHOOL, K_TO_8, K_TO_12, MINIMUM_DAYS, TRANSITION_GRADES, absent
from cis_ews.risk.rule_terms import AllOf, AnyOf, Condition, Evidence, FlagRule, Is, Level, Number, Season, Share

ATTENDANCE_WORKS = "Attendance Works"
ACTIVATES_SUPPORT = "Attendance Works, What activates support at each of the 3 tiers (attendanceworks.org)"
BANDS = "EveryDay Labs, attendance bands; names as recalled"
YEAR_TO_DATE = f"school year to date, from {MINIMUM_DAYS} days enrolled"
MISSED = "Missed {days_absent_ytd} of {days_enrolled_ytd:school day|school days} this year"
MISSED_LAST_YEAR = "Missed {days_absent_last_year} of {days_enrolled_last_year:school day|school days} last year"
DAYS_A_MONTH = 2
MONTHS_OF_SCHOOL = (
    Season(first=(8, 1), until=(10, 1)),
    *(Season(first=(month, 1), until=(month % 12 + 1, 1)) for month in (10, 11, 12, 1, 2, 3, 4, 5)),
    Season(first=(6, 1)),
)


def _days_by_month() -> Condition:
    """At least two days missed for each month of school, the running month counted in."""
    counts = range(DAYS_A_MONTH, DAYS_A_MONTH * len(MONTHS_OF_SCHOOL) + 1, DAYS_A_MONTH)
    return AnyOf(
        tuple(
            AllOf((month, Number("days_absent_ytd", ">=", days)))
            for month, days in zip(MONTHS_OF_SCHOOL, counts, strict=True)
        )
    )


def _this_year_then_last(percent: int) -> Condition:
    """This year's share from day 20 on; before that, last year's."""
    this_year = AllOf((Number("days_enrolled_ytd", ">=", MINIMUM_DAYS), absent("ytd", ">=", percent)))
    last_year = AllOf((Number("days_enrolled_ytd", "<", MINIMUM_DAYS), absent("last_year", ">=", percent)))
    return AnyOf((this_year, last_year))


def _this_term(percent: int) -> Condition:
    """The first 20 days until day 45; from then on the last 45 days, about one grading period."""
    first_days = AllOf((Number("days_enrolled_ytd", "<", 45), absent("first_20", ">=", percent)))
    last_days = AllOf((Number("days_enrolled_ytd", ">=", 45), absent("last_45", ">=", percent)))
    return AnyOf((first_days, last_days))


FULL_DAYS_OF_TEN_PERCENT = Share(
    indicator="full_day_absence_rate_ytd",
    part="full_days_absent_ytd",
    units=1,
    whole="days_enrolled_ytd",
    comparison=">=",
    percent=10,
    minimum_days=MINIMUM_DAYS,
)

THIS_YEAR_RULES = (
    FlagRule(
        name="attendance_works_this_year",
        title="Days missed this year",
        authority=ATTENDANCE_WORKS,
        source=ACTIVATES_SUPPORT,
        evidence=Evidence.PRIMARY,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                name="tier_3",
                concern=3,
                when=AnyOf((absent("ytd", ">=", 20), Is("no_improvement_under_tier_2"))),
                sentence="{facts}; from 20 % on, one-on-one support is advised",
            ),
        ),
        note="the other trigger, no improvement under Tier 2, is not in school data",
    ),
    FlagRule(
        name="chronic_absence",
        title="Chronic absence",
        authority=ATTENDANCE_WORKS,
        source="Attendance Works, Chronic absence (attendanceworks.org)",
        evidence=Evidence.PRIMARY,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                concern=2,
                when=absent("ytd", ">=", 10),
                sentence=MISSED + " ({absence_rate_ytd:%}); 10 % or more is chronic absence",
            ),
        ),
        note="parts of days add up as recorded; exactly 90.0 % attended is chronic",
    ),
    FlagRule(
        name="attendance_works_first_months",
        title="Days missed by month of school",
        authority=ATTENDANCE_WORKS,
        source=ACTIVATES_SUPPORT,
        evidence=Evidence.PRIMARY,
        window="school year to date; the first month of school ends on September 30",
        levels=(
            Level(
                name="tier_2",
                concern=2,
                when=_days_by_month(),
                sentence=MISSED + "; 2 or more for each month of school is a sign to reach out",
            ),
        ),
        note="2 days in month 1, 4 by the end of month 2, 6 by month 3, and 2 more each month; no share of days, so it "
        "speaks in the first week",
    ),
    FlagRule(
        name="attendance_works_prior_year",
        title="Days missed last year",
        authority=ATTENDANCE_WORKS,
        source=ACTIVATES_SUPPORT,
        evidence=Evidence.PRIMARY,
        window="last school year",
        levels=(
            Level(
                name="tier_3",
                concern=2,
                when=absent("last_year", ">=", 20),
                sentence=MISSED_LAST_YEAR + "; from 20 % on, one-on-one support is advised from the first day",
            ),
            Level(
                name="tier_2",
                concern=1,
                when=absent("last_year", ">=", 10),
                sentence=MISSED_LAST_YEAR + "; from 10 % on, early support is advised from the first day",
            ),
        ),
        note="does not look at this year; attendance_band leaves last year behind after 20 days",
    ),
)

DEFINITION_RULES = (
    FlagRule(
        name="chronic_absence_washington",
        title="Chronic absence, Washington",
        authority="Washington OSPI",
        source="OSPI, regular attendance measure: full-day absences, excused and unexcused, on 10 % of days or more",
        evidence=Evidence.PRIMARY,
        grades=K_TO_12,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                concern=2,
                when=FULL_DAYS_OF_TEN_PERCENT,
                sentence="Missed half a day or more on {full_days_absent_ytd} of "
                "{days_enrolled_ytd:school day|school days} this year; 10 % is chronic absence in Washington",
            ),
        ),
        note="a day of which half or more was missed is a full-day absence; published on the full year (18 of 180)",
    ),
    FlagRule(
        name="chronic_absence_federal",
        title="Chronic absence, federal count",
        authority="US Department of Education",
        source="Civil Rights Data Collection: absent on 15 school days or more",
        evidence=Evidence.SECONDARY,
        grades=K_TO_12,
        window="school year to date",
        levels=(
            Level(
                concern=2,
                when=Number("full_days_absent_ytd", ">=", 15),
                sentence="Missed half a day or more on {full_days_absent_ytd:school day|school days} this year; 15 is "
                "the federal count of chronic absence",
            ),
        ),
    ),
    FlagRule(
        name="attendance_band",
        title="Attendance band",
        authority="EveryDay Labs",
        source=BANDS,
        evidence=Evidence.SECONDARY,
        window="school year to date from 20 days enrolled; before that, last school year",
        levels=tuple(
            Level(name=name, concern=concern, when=_this_year_then_last(percent), sentence=f"{{facts}}; {words}")
            for name, concern, percent, words in (
                ("severe", 3, 20, "20 % or more is the band of most need"),
                ("moderate", 2, 10, "10 % up to 20 % asks for early support"),
                ("at_risk", 1, 5, "5 % up to 10 % asks for a friendly word"),
            )
        ),
        note="less than 5 % is satisfactory and gives no result",
    ),
)

EARLY_FALL_RULES = (
    FlagRule(
        name="september_rule",
        title="September rule",
        authority="Baltimore Education Research Consortium",
        source="Olson 2014, Why September matters (every1graduates.org)",
        evidence=Evidence.PRIMARY,
        window="days absent in September; asked from September 30 on",
        season=Season(first=(9, 30)),
        levels=(
            Level(
                name="high",
                concern=2,
                when=Number("days_absent_september", ">", 4),
                sentence="Missed {days_absent_september} of {days_enrolled_september:day|days} in September; 9 in 10 "
                "students who miss more than 4 become chronically absent",
            ),
            Level(
                name="mid",
                concern=1,
                when=Number("days_absent_september", ">=", 2),
                sentence="Missed {days_absent_september} of {days_enrolled_september:day|days} in September; about "
                "half of students who miss 2 to 4 become chronically absent",
            ),
        ),
        note="less than 2 days is low; chronic absence there is more than 20 days in the year; PreK to grade 12",
    ),
    FlagRule(
        name="ewims_first_20_days",
        title="First 20 days of high school",
        authority="National High School Center",
        source="EWIMS, high school tool: missed 10 % or more of the first 20 to 30 days",
        evidence=Evidence.SECONDARY,
        grades=HIGH_SCHOOL,
        window="first 20 school days, once 20 days are done",
        levels=(
            Level(
                concern=2,
                when=absent("first_20", ">=", 10),
                sentence="Missed {days_absent_first_20} of the first {days_enrolled_first_20:school day|school days}; "
                "2 or more is a sign to reach out",
            ),
        ),
    ),
)

TERM_RULES = (
    FlagRule(
        name="ewims_attendance",
        title="Time missed in high school",
        authority="National High School Center",
        source="EWIMS, high school tool: missed 10 % or more of instructional time, at each grading period",
        evidence=Evidence.SECONDARY,
        grades=HIGH_SCHOOL,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                concern=2,
                when=absent("ytd", ">=", 10),
                sentence=MISSED + " ({absence_rate_ytd:%}); EWIMS looks closer from 10 % on",
            ),
        ),
    ),
    FlagRule(
        name="michigan_attendance",
        title="Time missed this term",
        authority="Michigan MTSS Technical Assistance Center",
        source="MiMTSS, early warning indicators (mimtsstac.org): per term, never carried over",
        evidence=Evidence.PRIMARY,
        window="first 20 school days until day 45; from then on the last 45 school days, about one term",
        levels=(Level(concern=2, when=_this_term(10), sentence="{facts}; 10 % or more of a term asks for support"),),
        note="terms differ from school to school; 45 school days stand for one",
    ),
    FlagRule(
        name="diplomas_now_attendance",
        title="Time missed in a transition grade",
        authority="Diplomas Now",
        source="Diplomas Now early warning indicators: attendance of 85 % or less",
        evidence=Evidence.SECONDARY,
        grades=TRANSITION_GRADES,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                concern=2,
                when=absent("ytd", ">=", 15),
                sentence=MISSED + " ({absence_rate_ytd:%}); in grades 6 and 9, 15 % or more asks for a plan",
            ),
        ),
        note="transition grades are read as grades 6 and 9",
    ),
    FlagRule(
        name="local_absence",
        title="Time missed, local tables",
        authority="District tables",
        source="District multi-tier tables, grades K-8: 5 to 9 % and 10 to 14 % of days missed",
        evidence=Evidence.SECONDARY,
        grades=K_TO_8,
        window=YEAR_TO_DATE,
        levels=(
            Level(
                name="tier_3",
                concern=2,
                when=absent("ytd", ">=", 10),
                sentence=MISSED + " ({absence_rate_ytd:%}); local tables advise one-on-one support from 10 % on",
            ),
            Level(
                name="tier_2",
                concern=1,
                when=absent("ytd", ">=", 5),
                sentence=MISSED + " ({absence_rate_ytd:%}); local tables advise targeted support from 5 % on",
            ),
        ),
        note="the tables name whole percents; what lies between two of them belongs to the lower band, and 15 % and "
        "more, which they do not name, to Tier 3",
    ),
)

ATTENDANCE_RULES = (*THIS_YEAR_RULES, *DEFINITION_RULES, *EARLY_FALL_RULES, *TERM_RULES)
