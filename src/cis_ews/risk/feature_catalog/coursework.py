"""Coursework features, one by one."""

from __future__ import annotations

from functools import partial

from cis_ews.enums import Domain
from cis_ews.risk.feature_catalog.feature import (
    Column,
    Comparison,
    Difference,
    Feature,
    Larger,
    Ratio,
    Term,
    Told,
)

LATEST, BOTH, YTD = "latest term with marks", "latest and previous term", "year to date"
LAST_YEAR, TWO_YEARS = "last school year", "this and the last school year"
FAILING, NEARLY, MARKS, TREND = "failing courses", "low marks", "marks", "mark trend"
AVERAGE, CREDITS, PREVIOUS = "grade point average", "credits", "marks last year"
LOW_PERCENT, GOOD_PERCENT = 70, 80
LOW_GPA, GOOD_GPA = 2.0, 3.0
"""EWIMS flags an average of 2.0 or less; a B is 3.0."""
NO_MARKS = "no mark this year yet"
NOT_KNOWN = "We do not know this year's marks yet"
NOT_KNOWN_LAST_YEAR = "We do not know last year's marks"
HALF = "half of the grade {grade_level:text} students here"

_coursework = partial(Feature, domain=Domain.COURSEWORK)


def _have(value: Term, *, style: str = "") -> Comparison:
    """What others have, where more is better."""
    return Comparison(
        value=value,
        fewer=f"{HALF} have {{median{style}}} or less",
        more=f"{HALF} have {{median{style}}} or more",
        none=f"{HALF} have none",
    )


def _courses(
    name: str,
    *,
    topic: str,
    definition: str,
    sentence: str,
    value: Term | None = None,
    strength: tuple[Told, ...] = (),
    comparison: Comparison | None = None,
) -> Feature:
    """A count of courses of the latest term."""
    return _coursework(
        name=name,
        topic=topic,
        value=value or Column(name),
        window=LATEST,
        unit="courses",
        definition=definition,
        indicator=name,
        missing=f"{NO_MARKS}, or not one is a grade",
        monotone=1,
        risk=(Told(sentence=sentence, at_least=1),),
        strength=strength,
        unknown=NOT_KNOWN,
        comparison=comparison,
    )


def _failing_subject(subject: str, word: str) -> Feature:
    return _coursework(
        name=f"failing_{subject}",
        topic=word,
        value=Column(f"failing_{subject}"),
        window=LATEST,
        unit="yes is 1",
        definition=f"Failing a course in {word}.",
        indicator=f"failing_{subject}",
        missing=f"no grade in {word} in that term",
        monotone=1,
        risk=(Told(sentence=f"Is not passing {word} right now", at_least=1),),
    )


def _percent(name: str, topic: str, *, window: str, definition: str, where: str) -> Feature:
    told = f"Has {{{name}:%%}} {where}"
    return _coursework(
        name=name,
        topic=topic,
        value=Column(name),
        window=window,
        unit="percent",
        definition=definition,
        indicator=name,
        missing="no percent is known",
        monotone=-1,
        risk=(Told(sentence=told, at_most=LOW_PERCENT),),
        strength=(Told(sentence=told, at_least=GOOD_PERCENT),),
        comparison=_have(Column(name), style=":%%"),
    )


def _average(
    name: str, topic: str, *, window: str, words: str, has: str = "Has", unknown: str | None = None
) -> Feature:
    told = f"{has} a grade point average of {{{name}}} {words}"
    return _coursework(
        name=name,
        topic=topic,
        value=Column(name),
        window=window,
        unit="grade points",
        definition="Mean grade points of the marks that have them.",
        indicator=name,
        missing="no grade points are known",
        monotone=-1,
        risk=(Told(sentence=told, at_most=LOW_GPA),),
        strength=(Told(sentence=told, at_least=GOOD_GPA),),
        unknown=unknown,
    )


def _change(
    name: str,
    topic: str,
    value: Term,
    *,
    indicator: str,
    window: str,
    definition: str,
    unit: str,
    words: tuple[str, str],
) -> Feature:
    """A change of which a rise is good; `words`: for a fall and for a rise."""
    fell, rose = words
    far = 5.0 if unit == "percent" else 0.3
    return _coursework(
        name=name,
        topic=topic,
        value=value,
        window=window,
        unit=unit,
        definition=definition,
        indicator=indicator,
        missing="one of the two is not known",
        risk=(Told(sentence=fell, at_most=-far),),
        strength=(Told(sentence=rose, at_least=far),),
    )


COURSES = (
    _courses(
        "failing_courses",
        topic=FAILING,
        definition="Courses failed.",
        sentence="Is not passing {failing_courses:course|courses} right now",
        strength=(Told(sentence="Is passing every course right now ({courses_latest_term})", at_most=0),),
        comparison=Comparison(
            value=Column("failing_courses"),
            fewer=f"{HALF} are not passing {{median}} or fewer",
            more=f"{HALF} are not passing {{median}} or more",
            none=f"{HALF} pass every course",
        ),
    ),
    _courses(
        "failing_core_courses",
        topic=FAILING,
        definition="Core courses failed.",
        sentence="Is not passing {failing_core_courses:core course|core courses} right now",
        strength=(Told(sentence="Is passing every core course right now", at_most=0),),
    ),
    _coursework(
        name="failing_share",
        topic=FAILING,
        value=Ratio(Column("failing_courses"), Column("courses_latest_term")),
        window=LATEST,
        unit="rate, 0 to 1",
        definition="Courses failed over courses with a mark or percent.",
        indicator="failing_courses",
        missing=f"{NO_MARKS}, or not one is a grade",
        monotone=1,
        risk=(
            Told(
                sentence="Is not passing {failing_courses} of {courses_latest_term:course|courses} right now",
                at_least=0.1,
            ),
        ),
        unknown=NOT_KNOWN,
    ),
    _courses(
        "near_failing_core_courses",
        topic=NEARLY,
        definition="Core courses with a D, or a percent of 60 to below 70.",
        sentence="Is just passing {near_failing_core_courses:core course|core courses} right now",
    ),
)

SUBJECTS = (
    _failing_subject("english", "English"),
    _percent("percent_english", "English", window=LATEST, definition="Mean percent of English.", where="in English"),
    _failing_subject("math", "math"),
    _percent("percent_math", "math", window=LATEST, definition="Mean percent of mathematics.", where="in math"),
)

LEVELS = (
    _percent(
        "percent_average_latest_term",
        MARKS,
        window=LATEST,
        definition="Mean of the courses' percents.",
        where="in all courses",
    ),
    _average("gpa_ytd", AVERAGE, window=YTD, words="this year"),
    _average("gpa_last_year", PREVIOUS, window=LAST_YEAR, words="last year", has="Had", unknown=NOT_KNOWN_LAST_YEAR),
)

CHANGES = (
    _change(
        "mark_trend",
        TREND,
        Column("mark_trend"),
        indicator="mark_trend",
        window=BOTH,
        definition="Mean percent of the latest term less the previous one's.",
        unit="percent",
        words=(
            "Marks fell from {percent_average_previous_term:%%} to {percent_average_latest_term:%%} since last term",
            "Marks rose from {percent_average_previous_term:%%} to {percent_average_latest_term:%%} since last term",
        ),
    ),
    _change(
        "gpa_trend",
        TREND,
        Column("gpa_trend"),
        indicator="gpa_trend",
        window=BOTH,
        definition="Mean grade points of the latest term less the previous one's.",
        unit="grade points",
        words=("Has a lower grade point average than last term", "Has a higher grade point average than last term"),
    ),
    _change(
        "gpa_change_from_last_year",
        TREND,
        Difference(Column("gpa_ytd"), Column("gpa_last_year")),
        indicator="gpa_ytd",
        window=TWO_YEARS,
        definition="Grade point average of this year less that of last year.",
        unit="grade points",
        words=(
            "Has a grade point average of {gpa_ytd}, down from {gpa_last_year} last year",
            "Has a grade point average of {gpa_ytd}, up from {gpa_last_year} last year",
        ),
    ),
    _coursework(
        name="gpa_better_step",
        topic=TREND,
        value=Larger(Column("gpa_trend"), Difference(Column("gpa_ytd"), Column("gpa_last_year"))),
        window="the latest and previous term, this and the last school year",
        unit="grade points",
        definition="The better of two steps, from term to term and from year to year: below zero where both fell.",
        indicator="gpa_ytd",
        missing="one of the two is not known",
        risk=(Told(sentence="Has a lower grade point average than last term, and than last year", at_most=-0.3),),
    ),
)

TOWARD_GRADUATION = (
    _coursework(
        name="credits_earned_share",
        topic=CREDITS,
        value=Ratio(Column("credits_earned_ytd"), Column("credits_attempted_ytd")),
        window=YTD,
        unit="rate, 0 to 1",
        definition="Credits earned over credits attempted in final marks.",
        indicator="credits_earned_ytd",
        missing="no final mark with credits this year yet",
        monotone=-1,
        risk=(
            Told(
                sentence="Has earned {credits_earned_ytd} of {credits_attempted_ytd:credit|credits} tried this year",
                at_most=0.9,
            ),
        ),
        strength=(Told(sentence="Has earned every credit tried this year: {credits_earned_ytd}", at_least=1),),
    ),
    _coursework(
        name="credits_gap",
        topic=CREDITS,
        value=Column("credits_gap"),
        window="all years of the extract",
        unit="credits",
        definition="Credits expected (six a completed high-school year) less credits earned, not below zero.",
        indicator="credits_gap",
        missing="not in grades 9 to 12, or the extract does not reach back to grade 9",
        monotone=1,
        risk=(Told(sentence="Needs {credits_gap:more credit|more credits} to be on time", at_least=0.5),),
    ),
    _coursework(
        name="course_failures_ytd",
        topic=FAILING,
        value=Column("course_failures_ytd"),
        window=YTD,
        unit="courses",
        definition="Final marks failed; a term that is over stays as it is.",
        indicator="course_failures_ytd",
        missing="no final mark this year yet, or not one is a grade",
        monotone=1,
        risk=(Told(sentence="Did not pass {course_failures_ytd:course|courses} this year", at_least=1),),
        strength=(Told(sentence="Has passed every course that ended this year", at_most=0),),
    ),
    _coursework(
        name="core_semester_failures_ytd",
        topic=FAILING,
        value=Column("core_semester_failures_ytd"),
        window=YTD,
        unit="courses",
        definition="Final marks failed in core courses.",
        indicator="core_semester_failures_ytd",
        missing="no final mark this year yet, or not one is a grade",
        monotone=1,
        risk=(
            Told(sentence="Did not pass {core_semester_failures_ytd:core course|core courses} this year", at_least=1),
        ),
    ),
    _coursework(
        name="incomplete_marks_ytd",
        topic="courses to finish",
        value=Column("incomplete_marks_ytd"),
        window=YTD,
        unit="courses",
        definition="Final marks of I or INC.",
        indicator="incomplete_marks_ytd",
        missing="no final mark this year yet",
        monotone=1,
        risk=(Told(sentence="Has {incomplete_marks_ytd:course|courses} to finish this year", at_least=1),),
    ),
    _coursework(
        name="course_failures_last_year",
        topic=PREVIOUS,
        value=Column("course_failures_last_year"),
        window=LAST_YEAR,
        unit="courses",
        definition="Final marks failed.",
        indicator="course_failures_last_year",
        missing="no final mark last year, or not one is a grade",
        monotone=1,
        risk=(Told(sentence="Did not pass {course_failures_last_year:course|courses} last year", at_least=1),),
        strength=(Told(sentence="Passed every course last year", at_most=0),),
        unknown=NOT_KNOWN_LAST_YEAR,
    ),
)

COURSEWORK = (*COURSES, *SUBJECTS, *LEVELS, *CHANGES, *TOWARD_GRADUATION)
