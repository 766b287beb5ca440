"""Coursework: marks by term, failing and near-failing courses, credits.

A grade is known from `graded_on`, or where that is null from the planned last day of its term. The latest term is the
last one of this school year, in the order of the calendar, in which the student has a known mark or percent. Where a
mark is a grade, the mark decides whether a course is failed; otherwise the percent does. Definitions, units, sources:
`catalog`.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.calendars import day_number, once_a_calendar
from cis_ews.compiling import array_of, begins_of, read_only
from cis_ews.enums import GradeLevel
from cis_ews.indicators.coursework_kernel import (
    ALL,
    CORE,
    COURSES,
    ENGLISH,
    FAILING,
    FAILING_PERCENT,
    GROUPS,
    JUDGED,
    LAST_YEAR,
    LATEST_TERM,
    MATH,
    PREVIOUS_TERM,
    THIS_YEAR,
    UNITS,
    Grades,
    Kinds,
    Sums,
    add_up,
)
from cis_ews.indicators.roster import of_roster
from cis_ews.indicators.windows import EnrolledYear
from cis_ews.schema.school_data import SchoolData
from cis_ews.texts import places_of, ranked

FAILING_MARKS = ("F", "F+", "F-", "E", "NC", "U", "N", "NP", "FAIL", "FAILED")
NEAR_FAILING_MARKS = ("D+", "D", "D-")
PASSING_MARKS = (
    *(letter + sign for letter in "ABC" for sign in ("+", "", "-")),
    *("P", "PASS", "PASSED", "CR", "S"),
)
INCOMPLETE_MARKS = ("I", "INC", "INCOMPLETE")
WITHDRAWN_MARKS = ("W", "WD", "WITHDRAWN")
GRADE_MARKS = (*FAILING_MARKS, *NEAR_FAILING_MARKS, *PASSING_MARKS)
CREDITS_A_YEAR = 6
HIGH_SCHOOL_YEARS = {GradeLevel.G9: 0, GradeLevel.G10: 1, GradeLevel.G11: 2, GradeLevel.G12: 3}
BELOW_HIGH_SCHOOL = tuple(grade for grade in GradeLevel if grade not in HIGH_SCHOOL_YEARS)
AS_THEY_ARE = ("subject", "is_core", "is_final", "percent", "grade_points", "credits_attempted", "credits_earned")
ASSIGNMENTS = ("assignments", "assignments_missing_or_late")
NO_DATE = np.iinfo(np.int32).min


def coursework_indicators(
    school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Every coursework indicator of the catalog, one row a student in the order of the roster."""
    grades = school_data.course_grades
    (term, terms), (mark, marks) = (ranked(grades.get_column(name)) for name in ("term", "mark"))
    first_year = grades.select(pl.min_horizontal(pl.col("school_year").min(), last_year.school_year)).item()
    dates = _dates(school_data, term, terms=terms, year=this_year)
    known = of_roster(
        grades["student_id"],
        roster,
        **grades.select(*AS_THEY_ARE, *ASSIGNMENTS, year=pl.col("school_year").cast(pl.Int32) - first_year).to_dict(),
        **dates,
        mark=pl.Series(mark),
    ).filter("is_known")
    sums = add_up(
        Grades(
            begins=begins_of(array_of(known["student"]), roster.height),
            **{name: array_of(known[name]) for name in Grades._fields if name in known.columns},
            kinds=_kinds_of_marks(marks),
            below=_below(school_data, roster, first_year=first_year, year=this_year),
            this_year=this_year.school_year - first_year,
            terms=terms.len(),
        )
    )
    columns = _latest_term(sums, terms) | _this_year(sums) | _earlier_years(sums, first_year)
    columns |= _assignments(known.filter(pl.col("year") == this_year.school_year - first_year), roster)
    return _derived(pl.DataFrame(columns).with_columns(roster["grade_level"]), this_year.school_year)


def is_failed() -> pl.Expr:
    """Whether a row of `course_grades` is failed: its mark decides where it is a grade, else its percent; null where
    neither says."""
    mark, percent = pl.col("mark").str.strip_chars().str.to_uppercase(), pl.col("percent")
    is_grade = mark.is_in(GRADE_MARKS).fill_null(value=False)
    return pl.when(is_grade).then(mark.is_in(FAILING_MARKS)).otherwise(percent < FAILING_PERCENT)


def _dates(
    school_data: SchoolData, term: NDArray[np.int32], *, terms: pl.Series, year: EnrolledYear
) -> dict[str, pl.Series]:
    """Of each grade whether it is known on the as-of date, its `term` by its place and the `term_date` that orders it.

    A grade of an earlier year that has no date is known, for its year is over.
    """
    grades = school_data.course_grades
    schools, ends = _term_ends(school_data.calendar_days, year.school_year, tuple(terms))
    school = places_of(grades["school_id"], schools)
    graded_on = grades["graded_on"].to_physical().fill_null(NO_DATE).to_numpy()
    term_end, year_end = ends[school, term], _year_ends(ends)[school]
    known_on = np.where(graded_on != NO_DATE, graded_on, np.where(term_end != NO_DATE, term_end, year_end))
    school_year = grades["school_year"].to_numpy()
    is_over = (school_year < year.school_year) & (graded_on == NO_DATE)
    is_known = (school_year <= year.school_year) & (is_over | (known_on <= day_number(year.as_of)))
    return {
        "term": pl.Series(term),
        "term_date": pl.Series(np.where(term_end != NO_DATE, term_end, known_on)),
        "is_known": pl.Series(is_known),
    }


@once_a_calendar
def _term_ends(
    calendar_days: pl.DataFrame, school_year: int, terms: tuple[str, ...]
) -> tuple[pl.Series, NDArray[np.int32]]:
    """The schools that have a calendar of the year, and the planned last day of each term at each of them.

    The last row and column are those of a school, or a term, that is none of them.
    """
    calendar = calendar_days.filter(pl.col("school_year") == school_year)
    schools = calendar.get_column("school_id").unique().sort()
    ends = np.full((schools.len() + 1, len(terms) + 1), NO_DATE, dtype=np.int32)
    place = places_of(calendar["school_id"], schools), places_of(calendar["term"], pl.Series(terms, dtype=pl.String))
    np.maximum.at(ends, place, calendar["date"].to_physical().to_numpy())
    return schools, ends


def _year_ends(ends: NDArray[np.int32]) -> NDArray[np.int32]:
    """The last day of the year at each school, and of the whole calendar for a school that has none."""
    year_ends = ends.max(axis=1)
    year_ends[-1] = ends.max()
    return year_ends


def _kinds_of_marks(marks: pl.Series) -> Kinds:
    """What each mark that occurs stands for; there are few, so each is looked at once."""
    mark = pl.col("mark").str.strip_chars().str.to_uppercase()
    kinds = pl.DataFrame({"mark": pl.concat([marks, marks.clear(1).fill_null("")])}).select(
        has_letter=mark != "",
        is_grade=mark.is_in(GRADE_MARKS),
        fails=mark.is_in(FAILING_MARKS),
        nearly_fails=mark.is_in(NEAR_FAILING_MARKS),
        is_incomplete=mark.is_in(INCOMPLETE_MARKS),
        is_withdrawn=mark.is_in(WITHDRAWN_MARKS),
    )
    return Kinds(*map(array_of, kinds))


def _below(school_data: SchoolData, roster: pl.DataFrame, *, first_year: int, year: EnrolledYear) -> NDArray[np.bool_]:
    """Whether each student spent a year, from the first one to this one, below grade 9."""
    spells = school_data.enrollments.filter(
        pl.col("entry_date") <= year.as_of,
        pl.col("school_year").is_between(first_year, year.school_year),
        pl.col("grade_level").is_in(BELOW_HIGH_SCHOOL),
    )
    rows = of_roster(spells["student_id"], roster, year=spells["school_year"] - first_year)
    below = np.zeros((roster.height, year.school_year - first_year + 1), dtype=np.bool_)
    below[rows["student"].to_numpy(), rows["year"].to_numpy()] = True
    return read_only(below)


def _where(is_known: NDArray[np.bool_], values: NDArray[np.generic] | pl.Series) -> pl.Series:
    """The values, null where they are not known."""
    return pl.select(pl.when(pl.Series(is_known)).then(pl.Series(values))).to_series()


def _mean(units: NDArray[np.int64], count: NDArray[np.int64]) -> pl.Series:
    """Mean of the units that are there, from whole-number sums; null where there are none."""
    return _where(count > 0, pl.Series(units) / pl.Series(count * UNITS))


def _percents(sums: Sums, period: int) -> pl.Series:
    return _mean(sums.percents[period], sums.percent_count[period])


def _points(sums: Sums, period: int) -> pl.Series:
    return _mean(sums.points[period], sums.point_count[period])


def _is_said(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether it can be counted how many are so: not where there are some and not one has a grade that says it."""
    return (counts[COURSES] == 0) | (counts[JUDGED] > 0)


def _latest_term(sums: Sums, terms: pl.Series) -> dict[str, pl.Series]:
    """Every indicator of the latest term, and the averages of the one before it."""
    is_there = sums.latest >= 0
    is_said, of_core = (is_there & _is_said(sums.courses[group]) for group in (ALL, CORE))
    columns = {
        "latest_term": terms.gather(_where(is_there, sums.latest)),
        "courses_latest_term": _where(is_there, sums.marked),
        "missing_marks": _where(is_there, sums.courses[ALL, COURSES] - sums.marked),
        "failing_courses": _where(is_said, sums.courses[ALL, FAILING]),
        "failing_core_courses": _where(of_core, sums.courses[CORE, FAILING]),
        "near_failing_core_courses": _where(of_core, sums.near_core),
        "f_marks_latest_term": _where(is_said, sums.f_marks),
        "d_marks_latest_term": _where(is_said, sums.d_marks),
    }
    for name, group in (("english", ENGLISH), ("math", MATH)):
        courses = sums.courses[group]
        columns[f"failing_{name}"] = _where(courses[JUDGED] > 0, courses[FAILING] > 0)
        columns[f"percent_{name}"] = _mean(sums.subject_percents[group], sums.subject_percent_count[group])
    for name, period in (("latest", LATEST_TERM), ("previous", PREVIOUS_TERM)):
        columns[f"percent_average_{name}_term"] = _percents(sums, period)
        columns[f"gpa_{name}_term"] = _points(sums, period)
    return columns


def _assignments(grades: pl.DataFrame, roster: pl.DataFrame) -> dict[str, pl.Series]:
    """Assignments of the latest term of this year in which any are known: it may have no mark yet.

    `grades`: those of this year that are known, with `student`, `term_date` and `term`.
    """
    told = grades.filter(pl.all_horizontal(pl.col(ASSIGNMENTS).is_not_null()) & (pl.col("assignments") > 0))
    latest = pl.col("term").sort_by("term_date", "term").last().over("student")
    sums = told.filter(pl.col("term") == latest).group_by("student").agg(pl.col(ASSIGNMENTS).sum())
    every = roster.select(pl.int_range(pl.len()).cast(told.schema["student"]).alias("student"))
    assigned, flagged = every.join(sums, on="student", how="left", maintain_order="left").select(ASSIGNMENTS)
    return {
        "assignments_latest_term": assigned,
        "missing_or_late_assignments": flagged,
        "missing_or_late_share": flagged / assigned,
    }


def _this_year(sums: Sums) -> dict[str, pl.Series]:
    """Averages, failures and credits of this year; failures need a final mark, credits a final mark with credits."""
    finals, has_credits = sums.finals, sums.with_credits > 0
    has_final = finals[ALL, COURSES] > 0
    return {
        "percent_average_ytd": _percents(sums, THIS_YEAR),
        "gpa_ytd": _points(sums, THIS_YEAR),
        "course_failures_ytd": _where(has_final & _is_said(finals[ALL]), finals[ALL, FAILING]),
        "core_semester_failures_ytd": _where(has_final & _is_said(finals[CORE]), finals[CORE, FAILING]),
        "incomplete_marks_ytd": _where(has_final, sums.incomplete),
        "credits_attempted_ytd": _where(has_credits, sums.attempted / UNITS),
        "credits_earned_ytd": _where(has_credits, sums.earned / UNITS),
        "credits_attempted_not_earned_ytd": _where(has_credits, (sums.attempted - sums.earned) / UNITS),
    }


def _earlier_years(sums: Sums, first_year: int) -> dict[str, pl.Series]:
    """Last year's average and failures; credits of every year but those spent below grade 9, and the first of them."""
    has_credits, finals = sums.first_year >= 0, sums.finals[GROUPS + ALL]
    return {
        "gpa_last_year": _points(sums, LAST_YEAR),
        "course_failures_last_year": _where(finals[JUDGED] > 0, finals[FAILING]),
        "credits_earned_total": _where(has_credits, sums.earned_total / UNITS),
        "first_credit_year": _where(has_credits, sums.first_year + first_year),
    }


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
