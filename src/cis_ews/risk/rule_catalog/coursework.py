"""Published coursework rules."""

from __future__ import annotations

from cis_ews.risk.rule_catalog.parts import (
    END_OF_YEAR,
    FAILING_ENGLISH,
    FAILING_MATH,
    GRADE_9,
    HIGH_SCHOOL,
    K_TO_8,
    TRANSITION_GRADES,
)
from cis_ews.risk.rule_terms import AllOf, AnyOf, Evidence, FlagRule, Is, Level, Number

LATEST_TERM = "latest term with marks"
FIRST_TIME = Is("is_first_time_grade_9")


def _failing_in_a_transition_grade(subject: str, *, when: Is) -> FlagRule:
    return FlagRule(
        name=f"diplomas_now_{subject.lower()}",
        title=f"{subject} in a transition grade",
        authority="Diplomas Now",
        source="Diplomas Now early warning indicators: failing English or math",
        evidence=Evidence.SECONDARY,
        grades=TRANSITION_GRADES,
        window=LATEST_TERM,
        levels=(
            Level(
                concern=2,
                when=when,
                sentence=f"Is not passing {_in_a_sentence(subject)} right now; in grades 6 and 9 this asks for a plan",
            ),
        ),
        note="transition grades are read as grades 6 and 9",
    )


def _in_a_sentence(subject: str) -> str:
    return subject if subject == "English" else subject.lower()


EWIMS_RULES = (
    FlagRule(
        name="ewims_course_failures",
        title="Courses not passed in high school",
        authority="National High School Center",
        source="EWIMS, high school tool: one or more course failures, at each grading period",
        evidence=Evidence.SECONDARY,
        grades=HIGH_SCHOOL,
        window=LATEST_TERM,
        levels=(
            Level(
                concern=2,
                when=Number("failing_courses", ">=", 1),
                sentence="Is not passing {failing_courses:course|courses} right now; EWIMS looks closer from the first "
                "one",
            ),
        ),
    ),
    FlagRule(
        name="ewims_gpa",
        title="Grade point average in high school",
        authority="National High School Center",
        source="EWIMS, high school tool: grade point average of 2.0 or less",
        evidence=Evidence.SECONDARY,
        grades=HIGH_SCHOOL,
        window="all marks known this school year",
        levels=(
            Level(
                concern=2,
                when=Number("gpa_ytd", "<=", 2.0),
                sentence="Has a grade point average of {gpa_ytd} this year; EWIMS looks closer at 2.0 or less",
            ),
        ),
        note="the mean of the grade points as the source has them, unrounded",
    ),
)

ON_TRACK_RULES = (
    FlagRule(
        name="chicago_on_track",
        title="Not on track, Chicago",
        authority="UChicago Consortium and To&Through",
        source="Freshman on-track indicator (ncs.uchicago.edu): 5 full-year credits and at most 1 semester F in core",
        evidence=Evidence.PRIMARY,
        grades=GRADE_9,
        window="first year in grade 9; credits are asked from June 15 on, core semester Fs as soon as they are final",
        levels=(
            Level(
                name="off_track",
                concern=2,
                when=AllOf(
                    (
                        FIRST_TIME,
                        AnyOf(
                            (
                                Number("core_semester_failures_ytd", ">=", 2),
                                AllOf((END_OF_YEAR, Number("credits_earned_ytd", "<", 5.0))),
                            )
                        ),
                    )
                ),
                sentence="{facts}; to be on track, a student in grade 9 earns 5 credits and passes all but one core "
                "semester course",
            ),
        ),
        note="summer credit counts where the extract has it; some districts leave it out",
        accuracy="for not graduating (n = 20,803): sensitivity .751, specificity .843, PPV .78",
    ),
    FlagRule(
        name="washington_grade_9",
        title="Not on track, Washington",
        authority="Washington OSPI",
        source="OSPI, ninth graders on track: every credit attempted is earned, in all courses",
        evidence=Evidence.PRIMARY,
        grades=GRADE_9,
        window="first year in grade 9, terms from September to August; incomplete courses are asked from June 15 on",
        levels=(
            Level(
                name="off_track",
                concern=2,
                when=AllOf(
                    (
                        FIRST_TIME,
                        AnyOf(
                            (
                                Number("credits_attempted_not_earned_ytd", ">", 0),
                                AllOf((END_OF_YEAR, Number("incomplete_marks_ytd", ">=", 1))),
                            )
                        ),
                    )
                ),
                sentence="{facts}; on track in Washington means every credit is earned, and each one can still be made "
                "up",
            ),
        ),
        note="withdrawn courses and high-school credit from grade 8 do not count; published for groups of 20 or more "
        "over 3 years",
    ),
)

TRANSITION_RULES = (
    _failing_in_a_transition_grade("English", when=FAILING_ENGLISH),
    _failing_in_a_transition_grade("Math", when=FAILING_MATH),
)

LOCAL_RULES = (
    FlagRule(
        name="local_marks",
        title="English and math marks, local tables",
        authority="District tables",
        source="District multi-tier tables, grades K-8: English or math at 60 to 69 %, and below 60 %",
        evidence=Evidence.SECONDARY,
        grades=K_TO_8,
        window=LATEST_TERM,
        levels=(
            Level(
                name="tier_3",
                concern=2,
                when=AnyOf((Number("percent_english", "<", 60), Number("percent_math", "<", 60))),
                sentence="{facts}; below 60 %, local tables advise one-on-one support",
            ),
            Level(
                name="tier_2",
                concern=1,
                when=AnyOf((Number("percent_english", "<", 70), Number("percent_math", "<", 70))),
                sentence="{facts}; below 70 %, local tables advise targeted support",
            ),
        ),
    ),
    FlagRule(
        name="local_reading",
        title="Reading percentile, local tables",
        authority="District tables",
        source="District multi-tier tables, grades K-8: reading percentile 39 to 18, and 17 or less",
        evidence=Evidence.SECONDARY,
        grades=K_TO_8,
        window="latest reading test",
        levels=(
            Level(
                name="tier_3",
                concern=2,
                when=Number("reading_percentile", "<=", 17),
                sentence="{facts}; at 17 or less, local tables advise one-on-one support",
            ),
            Level(
                name="tier_2",
                concern=1,
                when=Number("reading_percentile", "<", 40),
                sentence="{facts}; below 40, local tables advise targeted support",
            ),
        ),
        note="reading tests are not in school data",
    ),
)

COURSEWORK_RULES = (*EWIMS_RULES, *ON_TRACK_RULES, *TRANSITION_RULES, *LOCAL_RULES)
