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
from cis_ews.indicators.roster import side_by_side
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
GRADE_MARKS = (*FAILING_MARKS, *NEAR_FAILING_MARKS, *PASSING_MARKS)
GRADE_COLUMNS = (
    *("school_year", "term", "subject", "is_core", "is_final", "mark", "percent", "grade_points"),
    *("credits_attempted", "credits_earned"),
)
FAILING_PERCENT = 60
NEAR_FAILING_PERCENT = 70
F_PERCENT = 65
D_PERCENTS = (65, 69)
CREDITS_A_YEAR = 6
UNITS = 10_000
"""Percents, grade points and credits are summed as whole numbers of ten-thousandths."""
HIGH_SCHOOL_YEARS = {GradeLevel.G9: 0, GradeLevel.G10: 1, GradeLevel.G11: 2, GradeLevel.G12: 3}
BELOW_HIGH_SCHOOL = tuple(grade for grade in GradeLevel if grade not in HIGH_SCHOOL_YEARS)


def coursework_indicators(
    school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Every coursework indicator of the catalog, one row a student in the order of the roster."""
    known = [
        _grades_of_this_year(school_data, roster, this_year),
        _grades_of_earlier_years(school_data, roster, this_year),
    ]
    grades = _judged(pl.concat(known).collect().lazy())
    years, terms = pl.collect_all([_by_year(grades), _by_term(grades, this_year.school_year)])
    ordered = _latest_first(terms)
    parts = [
        _latest_term(ordered),
        _previous_term(ordered),
        _this_year(years, this_year.school_year),
        _last_year(years, last_year.school_year),
        _credit_totals(years, school_data, roster, as_of=this_year.as_of),
    ]
    joined = side_by_side(roster, parts).with_columns(roster["grade_level"])
    return _derived(joined, this_year.school_year)


def _grades_of_this_year(school_data: SchoolData, roster: pl.DataFrame, year: EnrolledYear) -> pl.LazyFrame:
    """This year's grades that are known on the as-of date, with the date by which their terms are put in order."""
    calendar = school_data.calendar_days.filter(pl.col("school_year") == year.school_year)
    ends = school_year_ends(calendar).select("school_id", "year_end").lazy()
    graded = school_data.course_grades.lazy().filter(pl.col("school_year") == year.school_year)
    dated = (
        graded.join(
            term_ends(calendar).select("school_id", "term", "term_end").lazy(), on=["school_id", "term"], how="left"
        )
        .join(ends, on="school_id", how="left")
        .with_columns(year_end=pl.col("year_end").fill_null(calendar.select(pl.col("date").max()).item()))
    )
    known = dated.filter(pl.coalesce("graded_on", "term_end", "year_end") <= year.as_of)
    return _of_roster(known.with_columns(term_date=pl.coalesce("term_end", "graded_on", "year_end")), roster)


def _grades_of_earlier_years(school_data: SchoolData, roster: pl.DataFrame, year: EnrolledYear) -> pl.LazyFrame:
    """Grades of earlier years; without a date they are known, for their year is over."""
    earlier = school_data.course_grades.lazy().filter(pl.col("school_year") < year.school_year)
    known = earlier.filter((pl.col("graded_on") <= year.as_of).fill_null(value=True))
    return _of_roster(known.with_columns(term_date=pl.col("graded_on")), roster)


def _of_roster(grades: pl.LazyFrame, roster: pl.DataFrame) -> pl.LazyFrame:
    wanted = grades.select(*GRADE_COLUMNS, "student_id", "term_date")
    return wanted.join(roster.lazy().select("student", "student_id"), on="student_id").drop("student_id")


def _judged(grades: pl.LazyFrame) -> pl.LazyFrame:
    """Grades with what a count can be made of (null without a grade), kinds of marks, and whole-number units."""
    percent, attempted = pl.col("percent"), ~pl.col("is_withdrawn")
    near = (percent >= FAILING_PERCENT) & (percent < NEAR_FAILING_PERCENT)
    is_f = (percent < F_PERCENT).fill_null(value=False) | pl.col("fails")
    is_d = percent.is_between(*D_PERCENTS, closed="right").fill_null(pl.col("nearly_fails"))
    can_be_judged = pl.col("is_grade") | percent.is_not_null()
    return grades.join(_kinds_of_marks(grades), on="mark", nulls_equal=True).select(
        *("student", "school_year", "term", "term_date", "subject", "is_core", "is_final", "is_incomplete"),
        has_mark=pl.col("has_letter") | percent.is_not_null(),
        failing=pl.when("is_grade").then("fails").otherwise(percent < FAILING_PERCENT),
        near_failing=pl.when("is_grade").then("nearly_fails").otherwise(near),
        is_f=pl.when(can_be_judged).then(is_f),
        is_d=pl.when(can_be_judged).then(is_d & ~is_f),
        percents=_units(percent),
        points=_units(pl.col("grade_points")),
        attempted=pl.when(attempted).then(_units(pl.col("credits_attempted"))),
        earned=pl.when(attempted).then(_units(pl.col("credits_earned"))),
    )


def _kinds_of_marks(grades: pl.LazyFrame) -> pl.LazyFrame:
    """What each mark that occurs stands for; there are few, so each is looked at once."""
    mark = pl.col("mark").str.strip_chars().str.to_uppercase().fill_null("")
    return grades.select(pl.col("mark").unique()).with_columns(
        has_letter=mark != "",
        is_grade=mark.is_in(GRADE_MARKS),
        fails=mark.is_in(FAILING_MARKS),
        nearly_fails=mark.is_in(NEAR_FAILING_MARKS),
        is_incomplete=mark.is_in(INCOMPLETE_MARKS),
        is_withdrawn=mark.is_in(WITHDRAWN_MARKS),
    )


def _units(value: pl.Expr) -> pl.Expr:
    return (value * UNITS).round().cast(pl.Int64)


def _mean(units: str, where: pl.Expr | None = None) -> pl.Expr:
    """Mean of the units that are there, from whole-number sums; null where there are none."""
    values = pl.col(units) if where is None else pl.col(units).filter(where)
    return pl.when(values.count() > 0).then(values.sum() / (values.count().cast(pl.Int64) * UNITS))


def _how_many(flags: pl.Expr) -> pl.Expr:
    """How many of the courses are so; null where there are some and not one has a grade that says it."""
    return pl.when((flags.len() == 0) | (flags.count() > 0)).then(flags.sum())


def _by_year(grades: pl.LazyFrame) -> pl.LazyFrame:
    """One row a student and school year; what is counted in final marks is named `final_`."""
    final, core, failing = pl.col("is_final"), pl.col("is_core"), pl.col("failing")
    return grades.group_by("student", "school_year").agg(
        percent_average=_mean("percents"),
        gpa=_mean("points"),
        final_marks=final.sum(),
        final_failed=_how_many(failing.filter(final)),
        final_failed_core=_how_many(failing.filter(final & core)),
        final_incomplete=(final & pl.col("is_incomplete")).sum(),
        final_attempted=pl.col("attempted").filter(final).sum(),
        final_earned=pl.col("earned").filter(final).sum(),
        has_credits=pl.col("attempted").filter(final).count() > 0,
    )


def _by_term(grades: pl.LazyFrame, school_year: int) -> pl.LazyFrame:
    """One row a student and term of this year, with every indicator of a term."""
    failing, core = pl.col("failing"), pl.col("is_core")
    english, math = pl.col("subject") == Subject.ENGLISH, pl.col("subject") == Subject.MATH
    return (
        grades.filter(pl.col("school_year") == school_year)
        .group_by("student", "term")
        .agg(
            term_date=pl.col("term_date").max(),
            courses_latest_term=pl.col("has_mark").sum(),
            missing_marks=pl.col("has_mark").not_().sum(),
            percent_average=_mean("percents"),
            gpa=_mean("points"),
            failing_courses=_how_many(failing),
            failing_core_courses=_how_many(failing.filter(core)),
            near_failing_core_courses=_how_many(pl.col("near_failing").filter(core)),
            failing_english=failing.filter(english).max(),
            failing_math=failing.filter(math).max(),
            percent_english=_mean("percents", english),
            percent_math=_mean("percents", math),
            f_marks_latest_term=_how_many(pl.col("is_f")),
            d_marks_latest_term=_how_many(pl.col("is_d")),
        )
    )


def _latest_first(terms: pl.DataFrame) -> pl.DataFrame:
    """Terms with marks, the latest of each student first; of two that end on one day, the last by name."""
    marked = terms.filter(pl.col("courses_latest_term") > 0)
    return marked.sort("student", "term_date", "term", descending=[False, True, True]).with_columns(
        is_latest=pl.col("student").ne_missing(pl.col("student").shift(1))
    )


def _latest_term(ordered: pl.DataFrame) -> pl.DataFrame:
    latest = ordered.filter("is_latest").drop("term_date", "is_latest")
    return latest.rename(
        {"term": "latest_term", "percent_average": "percent_average_latest_term", "gpa": "gpa_latest_term"}
    )


def _previous_term(ordered: pl.DataFrame) -> pl.DataFrame:
    """The term after the latest one, in the order of `_latest_first`."""
    previous = ordered.filter(pl.col("is_latest").shift(1) & ~pl.col("is_latest"))
    return previous.select("student", percent_average_previous_term="percent_average", gpa_previous_term="gpa")


def _this_year(years: pl.DataFrame, school_year: int) -> pl.DataFrame:
    """Averages, failures and credits of this year; failures need a final mark, credits a final mark with credits."""
    has_final, has_credits = pl.col("final_marks") > 0, pl.col("has_credits")
    attempted, earned = pl.col("final_attempted"), pl.col("final_earned")
    return years.filter(pl.col("school_year") == school_year).select(
        "student",
        percent_average_ytd="percent_average",
        gpa_ytd="gpa",
        course_failures_ytd=pl.when(has_final).then("final_failed"),
        core_semester_failures_ytd=pl.when(has_final).then("final_failed_core"),
        incomplete_marks_ytd=pl.when(has_final).then("final_incomplete"),
        credits_attempted_ytd=pl.when(has_credits).then(attempted / UNITS),
        credits_earned_ytd=pl.when(has_credits).then(earned / UNITS),
        credits_attempted_not_earned_ytd=pl.when(has_credits).then((attempted - earned) / UNITS),
    )


def _last_year(years: pl.DataFrame, school_year: int) -> pl.DataFrame:
    failures = pl.when(pl.col("final_marks") > 0).then("final_failed")
    last = years.filter(pl.col("school_year") == school_year)
    return last.select("student", gpa_last_year="gpa", course_failures_last_year=failures)


def _credit_totals(years: pl.DataFrame, school_data: SchoolData, roster: pl.DataFrame, *, as_of: date) -> pl.DataFrame:
    """Credits of every year in the extract but those spent below grade 9, and the first year that has them."""
    begun = school_data.enrollments.filter(pl.col("entry_date") <= as_of)
    below = begun.filter(pl.col("grade_level").is_in(BELOW_HIGH_SCHOOL))
    years_below = (
        below.select("student_id", "school_year").unique().join(roster.select("student", "student_id"), on="student_id")
    )
    counted = years.filter("has_credits").join(years_below, on=["student", "school_year"], how="anti")
    return counted.group_by("student").agg(
        credits_earned_total=pl.col("final_earned").sum() / UNITS, first_credit_year=pl.col("school_year").min()
    )


def _derived(joined: pl.DataFrame, school_year: int) -> pl.DataFrame:
    """Trends, and the credits that a student on pace would have; a transcript that begins too late has no gap."""
    grade = pl.col("grade_level").cast(pl.String)
    completed = grade.replace_strict(HIGH_SCHOOL_YEARS, default=None, return_dtype=pl.Int16)
    reaches_back = pl.col("first_credit_year") <= school_year - completed
    expected = (completed * CREDITS_A_YEAR).cast(pl.Float64)
    gap = (expected - pl.col("credits_earned_total")).clip(lower_bound=0)
    return joined.with_columns(
        mark_trend=pl.col("percent_average_latest_term") - pl.col("percent_average_previous_term"),
        gpa_trend=pl.col("gpa_latest_term") - pl.col("gpa_previous_term"),
        credits_expected=expected,
        credits_gap=pl.when(reaches_back).then(gap),
    )
