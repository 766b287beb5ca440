"""Published rules that look at attendance, behavior and coursework together."""

from __future__ import annotations

from cis_ews.risk.rule_catalog.parts import (
    FAILING_ENGLISH,
    FAILING_MATH,
    GRADE_1,
    GRADE_6,
    GRADES_6_TO_8,
    HIGH_SCHOOL,
    SUSPENDED,
    SUSPENDED_IN_OR_OUT_OF_SCHOOL,
    absent,
)
from cis_ews.risk.rule_terms import AllOf, AnyOf, AtLeast, Condition, Evidence, FlagRule, Is, Level, Number

BALFANZ_SIGNS: tuple[Condition, ...] = (
    absent("ytd", ">=", 20),
    FAILING_MATH,
    FAILING_ENGLISH,
    SUSPENDED,
    Is("unsatisfactory_behavior_mark"),
)
FLORIDA_SIGNS: tuple[Condition, ...] = (
    absent("ytd", ">", 10),
    SUSPENDED_IN_OR_OUT_OF_SCHOOL,
    AnyOf((FAILING_ENGLISH, FAILING_MATH)),
    AnyOf((Number("state_test_level_english", "<=", 1), Number("state_test_level_math", "<=", 1))),
)
INCIDENTS_LAST_45 = ("incidents_major_last_45", "incidents_minor_last_45")
SCHOOL_DAYS_IN_THE_WINDOW = 32


def _levels_by_count(signs: tuple[Condition, ...]) -> tuple[Level, ...]:
    """One level for each number of signs, the most first."""
    return tuple(
        Level(
            name=f"signs_{count}",
            concern=3 if count > 1 else 2,
            when=AtLeast(count, signs),
            sentence=f"{{facts}} ({count} of {len(signs)} signs in grade 6)",
        )
        for count in range(len(signs), 0, -1)
    )


def _attendance_below(percent: int) -> Number:
    """Student Insights: (32 - absences) / 32 is less than a percentage."""
    return Number("days_absent_last_45", ">", SCHOOL_DAYS_IN_THE_WINDOW * (100 - percent) / 100)


def _incidents_from(count: int) -> Number:
    return Number("incidents_last_45", ">=", count, columns=INCIDENTS_LAST_45)


def _fs_from(count: int) -> Number:
    return Number("f_marks_latest_term", ">=", count)


_ONE_F_AND_TWO_DS = AllOf((Number("f_marks_latest_term", "==", 1), Number("d_marks_latest_term", ">=", 2)))
STUDENT_INSIGHTS_LEVELS = tuple(
    Level(name=f"L{level}", concern=concern, when=when, sentence=f"{{facts}} (Student Insights level {level} of 4)")
    for level, concern, when in (
        (4, 3, AnyOf((_fs_from(4), _attendance_below(80), _incidents_from(7)))),
        (3, 2, AnyOf((_fs_from(3), _attendance_below(85), _incidents_from(5)))),
        (2, 2, AnyOf((_fs_from(2), _attendance_below(90)))),
        (1, 1, AnyOf((_ONE_F_AND_TWO_DS, _attendance_below(95)))),
    )
)

SIGNS_RULES = (
    FlagRule(
        name="balfanz_grade_6",
        title="Signs in grade 6",
        authority="Balfanz, Herzog and Mac Iver",
        source="Balfanz, Herzog and Mac Iver 2007, Educational Psychologist 42(4)",
        evidence=Evidence.PRIMARY,
        grades=GRADE_6,
        window="school year to date (published on the full year); marks of the latest term",
        levels=_levels_by_count(BALFANZ_SIGNS),
        note="attendance of 80 % or less (popularly: less than 80 %); the behavior mark is not in school data",
        accuracy="for not graduating (n = 12,037): one or more signs, sensitivity .595, specificity .675, PPV .71; "
        "exactly two, .153, .946, .79",
    ),
    FlagRule(
        name="florida_middle_grades",
        title="Signs in the middle grades",
        authority="Florida",
        source="Florida early warning system, s. 1001.42(18), Florida Statutes",
        evidence=Evidence.PRIMARY,
        grades=GRADES_6_TO_8,
        window="school year to date; marks of the latest term",
        levels=(
            Level(concern=2, when=AtLeast(2, FLORIDA_SIGNS), sentence="{facts} (2 or more of Florida's 4 signs)"),
        ),
        note="attendance below 90 %, so exactly 90.0 % is no sign here; state tests are not in school data",
    ),
    FlagRule(
        name="student_insights_levels",
        title="High school levels",
        authority="Student Insights",
        source="Student Insights, high school levels, program code (github.com/studentinsights/studentinsights)",
        evidence=Evidence.PRIMARY,
        grades=HIGH_SCHOOL,
        window="last 45 school days; marks of the latest term",
        levels=STUDENT_INSIGHTS_LEVELS,
        note="attendance is (32 - absences) / 32 as in the code, whose window is 45 calendar days; over 45 school days "
        "it is stricter. F is below 65, D above 65 and up to 69; 65 is neither",
    ),
    FlagRule(
        name="montgomery_grade_1",
        title="Signs in grade 1",
        authority="Montgomery County Public Schools",
        source="Montgomery County, Maryland, early warning indicators, grade 1",
        evidence=Evidence.SECONDARY,
        grades=GRADE_1,
        window="school year to date",
        levels=(
            Level(
                name="suspended",
                concern=3,
                when=SUSPENDED,
                sentence="{facts}; in grade 1 this is the strongest sign that support is needed now",
            ),
            Level(
                name="other_signs",
                concern=2,
                when=AnyOf(
                    (Number("gpa_ytd", "<", 1.2), Number("days_absent_ytd", ">=", 9), Is("below_grade_level"))
                ),
                sentence="{facts}; in grade 1 this is an early sign that support helps",
            ),
        ),
        note="whether reading and math are at grade level is not in school data",
    ),
)  # fmt: skip

CONDUCT_AT_RISK = AnyOf((Number("incidents_major_ytd", ">=", 1), Number("incidents_minor_ytd", ">", 5)))
CONDUCT_EARLY = Number("incidents_minor_ytd", ">", 2)
MARKS_AT_RISK = AnyOf((Number("percent_math", "<", 65), Number("percent_english", "<", 65)))
MARKS_EARLY = AnyOf((Number("percent_math", "<", 72), Number("percent_english", "<", 72)))


def _starter_kit(subject: str, *, title: str, at_risk: Condition, early: Condition) -> FlagRule:
    return FlagRule(
        name=f"ed_fi_{subject}",
        title=title,
        authority="Ed-Fi Alliance",
        source="Ed-Fi early warning starter kit, program code (github.com/Ed-Fi-Alliance-OSS)",
        evidence=Evidence.PRIMARY,
        window="school year to date; marks of the latest term",
        levels=(
            Level(
                name="at_risk",
                concern=2,
                when=at_risk,
                sentence="{facts}; a common early-warning screen asks for support here",
            ),
            Level(name="early_warning", concern=1, when=early, sentence="{facts}; worth keeping an eye on"),
        ),
        note="major incidents stand for state offenses, minor ones for the code of conduct; a blank mark is not zero; "
        "the kit's prose differs from its code at equality, and the code is followed",
    )


STARTER_KIT_RULES = (
    _starter_kit(
        "attendance", title="Attendance, starter kit", at_risk=absent("ytd", ">", 20), early=absent("ytd", ">", 12)
    ),
    _starter_kit("behavior", title="Behavior, starter kit", at_risk=CONDUCT_AT_RISK, early=CONDUCT_EARLY),
    _starter_kit("coursework", title="Marks, starter kit", at_risk=MARKS_AT_RISK, early=MARKS_EARLY),
    _starter_kit(
        "overall",
        title="Worst of three, starter kit",
        at_risk=AnyOf((absent("ytd", ">", 20), CONDUCT_AT_RISK, MARKS_AT_RISK)),
        early=AnyOf((absent("ytd", ">", 12), CONDUCT_EARLY, MARKS_EARLY)),
    ),
)

COMBINED_RULES = (*SIGNS_RULES, *STARTER_KIT_RULES)
