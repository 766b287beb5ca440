"""Coursework: marks by term, failing and near-failing courses, credits.

A grade is known from `graded_on`, or where that is null from the planned last day of its term. The latest term is the
last one of this school year, in the order of the calendar, in which the student has a known mark or percent. Where a
mark is a grade, the mark decides whether a course is failed; otherwise the percent does. Definitions, units, sources:
`catalog`.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.calendars import school_year_ends, term_ends
from cis_ews.enums import GradeLevel, Subject
from cis_ews.indicators.windows import EnrolledYear
from cis_ews.schema.school_data import SchoolData

FAILING_MARKS = ("F", "F+", "F-", "E", "NC", "U", "N", "NP", "FAIL", "FAILED")
NEAR_FAILING_MARKS = ("D+", "D", "D-")
PASSING_MARKS = (
    *(letter + sign for letter in "ABC" for sign in ("+", "", "-")),
    *("P", "PASS", "PASSED", "CR", "S"),
)
INCOMPLETE_MARKS = ("I", "INC", "INCOMPLETE")
WITHDRAWN_MARKS = ("W", "WD", "WITHDRAWN")
FAILING_PERCENT = 60
NEAR_FAILING_PERCENT = 70
CREDITS_A_YEAR = 6
UNITS = 10_000
"""Percents, grade points and credits are summed as whole numbers of ten-thousandths."""
HIGH_SCHOOL_YEARS = {GradeLevel.G9: 0, GradeLevel.G10: 1, GradeLevel.G11: 2, GradeLevel.G12: 3}
BELOW_HIGH_SCHOOL = tuple(grade for grade in GradeLevel if grade not in HIGH_SCHOOL_YEARS)


def coursework_indicators(
    school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Every coursework indicator of the catalog, one row a student of the roster, keyed by `student`."""
    grades = _known_grades(school_data, roster, school_year=this_year.school_year, as_of=this_year.as_of)
    now = grades.filter(pl.col("school_year") == this_year.school_year)
    before = grades.filter(pl.col("school_year") == last_year.school_year)
    terms = _terms(now)
    parts = [
        _latest_term(now, terms),
        _previous_term(now, terms),
        _year_averages(now),
        _finals(now.filter("is_final")),
        before.group_by("student").agg(gpa_last_year=_mean("points")),
        before.filter("is_final").group_by("student").agg(course_failures_last_year=pl.col("failing").sum()),
        _credit_totals(grades, school_data, roster),
    ]
    joined = roster.lazy().select("student", "grade_level")
    for part in parts:
        joined = joined.join(part, on="student", how="left")
    return _derived(joined, this_year.school_year).collect()


def _known_grades(school_data: SchoolData, roster: pl.DataFrame, *, school_year: int, as_of: date) -> pl.LazyFrame:
    """Grades of the roster's students that are known, judged, with whole-number units and the date of their term."""
    calendar = school_data.calendar_days
    ends = school_year_ends(calendar)
    anywhere = ends.group_by("school_year").agg(year_end_anywhere=pl.col("year_end").max())
    dated = (
        school_data.course_grades.lazy()
        .join(roster.lazy().select("student", "student_id"), on="student_id")
        .join(term_ends(calendar).lazy(), on=["school_id", "school_year", "term"], how="left")
        .join(ends.lazy(), on=["school_id", "school_year"], how="left")
        .join(anywhere.lazy(), on="school_year", how="left")
    )
    year_end = pl.coalesce("year_end", "year_end_anywhere")
    known_on = pl.coalesce("graded_on", "term_end", year_end)
    is_past = pl.col("school_year") < school_year
    known = dated.filter((known_on <= as_of).fill_null(is_past), pl.col("school_year") <= school_year)
    return _judged(known.with_columns(term_date=pl.coalesce("term_end", "graded_on", year_end)))


def _judged(grades: pl.LazyFrame) -> pl.LazyFrame:
    """Add `failing` and `near_failing` (null without a grade), kinds of marks, and units."""
    mark = pl.col("mark").str.strip_chars().str.to_uppercase()
    mark = pl.when(mark != "").then(mark)
    percent = pl.col("percent")
    by_mark = mark.is_in([*FAILING_MARKS, *NEAR_FAILING_MARKS, *PASSING_MARKS]).fill_null(value=False)
    near = (percent >= FAILING_PERCENT) & (percent < NEAR_FAILING_PERCENT)
    return grades.with_columns(
        mark=mark,
        has_mark=mark.is_not_null() | percent.is_not_null(),
        failing=pl.when(by_mark).then(mark.is_in(FAILING_MARKS)).otherwise(percent < FAILING_PERCENT),
        near_failing=pl.when(by_mark).then(mark.is_in(NEAR_FAILING_MARKS)).otherwise(near),
        is_incomplete=mark.is_in(INCOMPLETE_MARKS).fill_null(value=False),
        is_withdrawn=mark.is_in(WITHDRAWN_MARKS).fill_null(value=False),
        percents=_units(percent),
        points=_units(pl.col("grade_points")),
        attempted=_units(pl.col("credits_attempted")),
        earned=_units(pl.col("credits_earned")),
    )


def _units(value: pl.Expr) -> pl.Expr:
    return (value * UNITS).round().cast(pl.Int64)


def _mean(units: str, where: pl.Expr | None = None) -> pl.Expr:
    """Mean of the units that are there, from whole-number sums; null where there are none."""
    values = pl.col(units) if where is None else pl.when(where).then(pl.col(units))
    return pl.when(values.count() > 0).then(values.sum() / (values.count().cast(pl.Int64) * UNITS))


def _terms(now: pl.LazyFrame) -> pl.LazyFrame:
    """This year's terms with marks of every student: `student`, `term`, `place` (1: the latest)."""
    marked = now.filter("has_mark").group_by("student", "term").agg(pl.col("term_date").max())
    ordered = marked.sort("student", "term_date", "term", descending=[False, True, True])
    return ordered.with_columns(place=pl.int_range(1, pl.len() + 1).over("student"))


def _of_term(now: pl.LazyFrame, terms: pl.LazyFrame, place: int) -> pl.LazyFrame:
    return now.join(terms.filter(pl.col("place") == place).select("student", "term"), on=["student", "term"])


def _latest_term(now: pl.LazyFrame, terms: pl.LazyFrame) -> pl.LazyFrame:
    """Marks, averages and failing courses of the latest term."""
    failing, near, percent = pl.col("failing"), pl.col("near_failing"), pl.col("percent")
    english, math = pl.col("subject") == Subject.ENGLISH, pl.col("subject") == Subject.MATH
    is_f = ((percent < 65) | pl.col("mark").is_in(FAILING_MARKS)).fill_null(value=False)
    return (
        _of_term(now, terms, 1)
        .group_by("student")
        .agg(
            latest_term=pl.col("term").first(),
            courses_latest_term=pl.col("has_mark").sum(),
            missing_marks=pl.col("has_mark").not_().sum(),
            percent_average_latest_term=_mean("percents"),
            gpa_latest_term=_mean("points"),
            failing_courses=failing.sum(),
            failing_core_courses=(failing & pl.col("is_core")).sum(),
            near_failing_core_courses=(near & pl.col("is_core")).sum(),
            failing_english=pl.when(english).then(failing).max(),
            failing_math=pl.when(math).then(failing).max(),
            percent_english=_mean("percents", english),
            percent_math=_mean("percents", math),
            f_marks_latest_term=is_f.sum(),
            d_marks_latest_term=(_is_d() & ~is_f).sum(),
        )
    )


def _is_d() -> pl.Expr:
    """Above 65 and up to 69 percent; a D where there is no percent."""
    percent = pl.col("percent")
    by_mark = pl.col("mark").is_in(NEAR_FAILING_MARKS)
    return pl.when(percent.is_null()).then(by_mark).otherwise((percent > 65) & (percent <= 69)).fill_null(value=False)


def _previous_term(now: pl.LazyFrame, terms: pl.LazyFrame) -> pl.LazyFrame:
    return (
        _of_term(now, terms, 2)
        .group_by("student")
        .agg(percent_average_previous_term=_mean("percents"), gpa_previous_term=_mean("points"))
    )


def _year_averages(now: pl.LazyFrame) -> pl.LazyFrame:
    return now.group_by("student").agg(percent_average_ytd=_mean("percents"), gpa_ytd=_mean("points"))


def _finals(finals: pl.LazyFrame) -> pl.LazyFrame:
    """Failures and credits of this year's final marks; a withdrawn course was not attempted."""
    counted = ~pl.col("is_withdrawn")
    attempted = pl.when(counted).then(pl.col("attempted"))
    earned = pl.when(counted).then(pl.col("earned"))
    has_credits = attempted.count() > 0
    return finals.group_by("student").agg(
        course_failures_ytd=pl.col("failing").sum(),
        core_semester_failures_ytd=(pl.col("failing") & pl.col("is_core")).sum(),
        incomplete_marks_ytd=pl.col("is_incomplete").sum(),
        credits_attempted_ytd=pl.when(has_credits).then(attempted.sum() / UNITS),
        credits_earned_ytd=pl.when(has_credits).then(earned.sum() / UNITS),
        credits_attempted_not_earned_ytd=pl.when(has_credits).then((attempted.sum() - earned.sum()) / UNITS),
    )


def _credit_totals(grades: pl.LazyFrame, school_data: SchoolData, roster: pl.DataFrame) -> pl.LazyFrame:
    """Credits of final marks of every year in the extract but those of grades below 9, and the first such year."""
    below = school_data.enrollments.lazy().filter(pl.col("grade_level").is_in(BELOW_HIGH_SCHOOL))
    years_below = below.join(roster.lazy().select("student", "student_id"), on="student_id")
    final = grades.filter(
        "is_final", ~pl.col("is_withdrawn"), pl.col("attempted").is_not_null() | pl.col("earned").is_not_null()
    )
    counted = final.join(
        years_below.select("student", "school_year").unique(), on=["student", "school_year"], how="anti"
    )
    return counted.group_by("student").agg(
        credits_earned_total=pl.col("earned").sum() / UNITS, first_credit_year=pl.col("school_year").min()
    )


def _derived(joined: pl.LazyFrame, school_year: int) -> pl.LazyFrame:
    """Trends, and the credits that a student on pace would have; a transcript that begins too late has no gap."""
    completed = (
        pl.col("grade_level").cast(pl.String).replace_strict(HIGH_SCHOOL_YEARS, default=None, return_dtype=pl.Int16)
    )
    reaches_back = pl.col("first_credit_year") <= school_year - completed
    expected = (completed * CREDITS_A_YEAR).cast(pl.Float64)
    gap = (expected - pl.col("credits_earned_total")).clip(lower_bound=0)
    return joined.with_columns(
        mark_trend=pl.col("percent_average_latest_term") - pl.col("percent_average_previous_term"),
        gpa_trend=pl.col("gpa_latest_term") - pl.col("gpa_previous_term"),
        credits_expected=expected,
        credits_gap=pl.when(reaches_back).then(gap),
    )
