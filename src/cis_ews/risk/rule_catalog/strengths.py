"""What speaks for a student, by the same engine: the other side of the published cut-offs."""

from __future__ import annotations

from cis_ews.enums import GradeLevel
from cis_ews.risk.rule_catalog.parts import END_OF_YEAR, GRADE_9, HIGH_SCHOOL, MINIMUM_DAYS, absent
from cis_ews.risk.rule_terms import (
    AllOf,
    Condition,
    Evidence,
    FlagRule,
    Is,
    Level,
    Number,
    RuleKind,
    Season,
)

LAST_20_DAYS = Number("days_enrolled_last_20", ">=", 20)
LAST_45_DAYS = Number("days_enrolled_last_45", ">=", 45)
ENOUGH_DAYS = Number("days_enrolled_ytd", ">=", MINIMUM_DAYS)
INCIDENTS_LAST_45 = ("incidents_major_last_45", "incidents_minor_last_45")


def _strength(
    name: str,
    *,
    title: str,
    window: str,
    when: Condition,
    sentence: str,
    source: str,
    grades: tuple[GradeLevel, ...] | None = None,
    season: Season | None = None,
) -> FlagRule:
    return FlagRule(
        name=name,
        title=title,
        authority="This project",
        source=f"other side of {source}",
        evidence=Evidence.OWN,
        kind=RuleKind.STRENGTH,
        grades=grades,
        season=season,
        window=window,
        levels=(Level(concern=0, when=when, sentence=sentence),),
    )


ATTENDANCE_STRENGTHS = (
    _strength(
        "no_absence_lately",
        title="No absence in the last 20 days",
        window="last 20 school days",
        when=AllOf((LAST_20_DAYS, Number("days_absent_last_20", "<=", 0))),
        sentence="Has not missed any of the last 20 school days",
        source="the first-20-days rules, at any time of the year",
    ),
    _strength(
        "absence_falling",
        title="Misses less than before",
        window="last 20 school days beside the 20 before them",
        when=AllOf((LAST_20_DAYS, Number("absence_trend", "<", 0))),
        sentence="Missed {days_absent_last_20} of the last {days_enrolled_last_20:school day|school days}, fewer than "
        "in the 20 before",
        source="no improvement under Tier 2 (attendance_works_this_year)",
    ),
    _strength(
        "attended_over_95_percent",
        title="Came to school more than 95 %",
        window="school year to date, from 20 days enrolled",
        when=absent("ytd", "<", 5),
        sentence="Came to school nearly every day: missed {days_absent_ytd} of {days_enrolled_ytd:day|days} this year",
        source="the band at risk (attendance_band): less than 5 % missed is satisfactory",
    ),
    _strength(
        "no_unexcused_absence",
        title="No unexcused absence",
        window="school year to date, from 20 days enrolled",
        when=AllOf((ENOUGH_DAYS, Number("days_unexcused_ytd", "<=", 0))),
        sentence="Has no unexcused absence this year",
        source="the truancy ladder (truancy_notice)",
    ),
    _strength(
        "strong_september",
        title="A strong September",
        window="September, from 10 days enrolled; asked from September 30 on",
        season=Season(first=(9, 30)),
        when=AllOf((Number("days_absent_september", "<", 2), Number("days_enrolled_september", ">=", 10))),
        sentence="Missed {days_absent_september} of {days_enrolled_september:day|days} in September: a good start",
        source="the September rule (september_rule): fewer than 2 days",
    ),
)

BEHAVIOR_STRENGTHS = (
    _strength(
        "no_incident_this_year",
        title="No incident this year",
        window="school year to date, from 20 days enrolled",
        when=AllOf((ENOUGH_DAYS, Number("incidents_ytd", "<=", 0))),
        sentence="Has had no incident this year",
        source="the incident rules (pasco_cis_referral)",
    ),
    _strength(
        "no_incident_lately",
        title="No incident in nine weeks",
        window="last 45 school days",
        when=AllOf(
            (
                Number("incidents_last_45", "<=", 0, columns=INCIDENTS_LAST_45),
                LAST_45_DAYS,
                Number("incidents_ytd", ">=", 1),
            )
        ),
        sentence="Has had no incident in the last 45 school days: nine clean weeks",
        source="the incident rules (student_insights_levels)",
    ),
)

COURSEWORK_STRENGTHS = (
    _strength(
        "passing_every_course",
        title="Passes every course",
        window="latest term with marks",
        when=AllOf((Number("failing_courses", "<=", 0), Number("courses_latest_term", ">=", 1))),
        sentence="Is passing every course right now ({courses_latest_term})",
        source="course failures (ewims_course_failures)",
    ),
    _strength(
        "marks_rising",
        title="Marks are rising",
        window="latest term beside the term before",
        when=Number("mark_trend", ">=", 1),
        sentence="Marks went up by {mark_trend:point|points} since last term",
        source="low marks (local_marks), as a slope",
    ),
    _strength(
        "every_credit_earned",
        title="Every credit earned",
        window="final marks of the school year",
        grades=HIGH_SCHOOL,
        when=AllOf((Number("credits_earned_ytd", ">", 0), Number("credits_attempted_not_earned_ytd", "<=", 0))),
        sentence="Has earned every credit tried this year: {credits_earned_ytd}",
        source="the Washington on-track measure (washington_grade_9)",
    ),
    _strength(
        "on_track_chicago",
        title="On track in grade 9",
        window="first year in grade 9, from June 15 on",
        grades=GRADE_9,
        season=END_OF_YEAR,
        when=AllOf(
            (
                Is("is_first_time_grade_9"),
                Number("credits_earned_ytd", ">=", 5.0),
                Number("core_semester_failures_ytd", "<=", 1),
            )
        ),
        sentence="Is on track: earned {credits_earned_ytd:credit|credits} in the first year of high school",
        source="the Chicago on-track indicator (chicago_on_track)",
    ),
    _strength(
        "solid_average",
        title="An average of B or better",
        window="all marks known this school year",
        grades=HIGH_SCHOOL,
        when=Number("gpa_ytd", ">=", 3.0),
        sentence="Has a grade point average of {gpa_ytd} this year",
        source="the grade point average rule (ewims_gpa)",
    ),
)

STRENGTH_RULES = (*ATTENDANCE_STRENGTHS, *BEHAVIOR_STRENGTHS, *COURSEWORK_STRENGTHS)
