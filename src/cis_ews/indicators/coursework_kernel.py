"""Marks and credits added up: one walk over each student's grades, which finds the latest terms and sums by period."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled, inlined
from cis_ews.enums import Subject

UNITS = 10_000
"""Percents, grade points and credits are summed as whole numbers of ten-thousandths."""
FAILING_PERCENT = 60
NEAR_FAILING_PERCENT = 70
F_PERCENT = 65
D_PERCENTS = (65, 69)
NONE = -1
LATEST_TERM, PREVIOUS_TERM, THIS_YEAR, LAST_YEAR, EARLIER = range(5)
PERIODS, YEARS = 5, 2
ALL, CORE, ENGLISH, MATH, OTHERS = range(5)
GROUPS = 5
"""Groups of courses that are counted apart; nobody asks for what falls into the last one, nor into the last period.

Always to add, and choose where, takes a fraction of the time of a branch that cannot be foreseen.
"""
COURSES, JUDGED, FAILING = range(3)
COUNTS = 3
"""What is counted of a group: courses, those with a grade that says whether they are failed, those failed."""
_ENGLISH, _MATH = (list(Subject).index(subject) for subject in (Subject.ENGLISH, Subject.MATH))
NEVER = np.iinfo(np.int64).min


class Kinds(NamedTuple):
    """What each mark stands for; the last one is no mark."""

    has_letter: NDArray[np.bool_]
    is_grade: NDArray[np.bool_]
    fails: NDArray[np.bool_]
    nearly_fails: NDArray[np.bool_]
    is_incomplete: NDArray[np.bool_]
    is_withdrawn: NDArray[np.bool_]


class Grades(NamedTuple):
    """The grades that are known; those of student s are `begins[s]:begins[s + 1]`.

    `year`: school years after the first one of all. `term`: its place in the order of names, after that of `term_date`.
    `mark`: its place in `kinds`. `subject`: its place in `Subject`. Numbers are NaN where there is none. `below`: by
    student and year, whether the year was spent below grade 9.
    """

    begins: NDArray[np.int64]
    year: NDArray[np.int32]
    term: NDArray[np.int32]
    term_date: NDArray[np.int32]
    mark: NDArray[np.int32]
    subject: NDArray[np.uint8]
    is_core: NDArray[np.bool_]
    is_final: NDArray[np.bool_]
    percent: NDArray[np.float64]
    grade_points: NDArray[np.float64]
    credits_attempted: NDArray[np.float64]
    credits_earned: NDArray[np.float64]
    kinds: Kinds
    below: NDArray[np.bool_]
    this_year: int
    terms: int


class Sums(NamedTuple):
    """Counts, and sums of units; the last axis is the student, and what is of one student lies together in memory.

    Of a period: `percents` and `points`, and of how many. Of the latest term: `courses` by group and by what is
    counted, `subject_percents` by group, and other counts. Of final marks: `finals` by year (this, last) and group, and
    by what is counted; the rest of this year. `latest`, `previous`: the terms, -1 for none. `earned_total` and
    `first_year`: of all years but those below grade 9.
    """

    percents: NDArray[np.int64]
    percent_count: NDArray[np.int64]
    points: NDArray[np.int64]
    point_count: NDArray[np.int64]
    courses: NDArray[np.int64]
    subject_percents: NDArray[np.int64]
    subject_percent_count: NDArray[np.int64]
    marked: NDArray[np.int64]
    near_core: NDArray[np.int64]
    f_marks: NDArray[np.int64]
    d_marks: NDArray[np.int64]
    finals: NDArray[np.int64]
    incomplete: NDArray[np.int64]
    with_credits: NDArray[np.int64]
    attempted: NDArray[np.int64]
    earned: NDArray[np.int64]
    latest: NDArray[np.int64]
    previous: NDArray[np.int64]
    earned_total: NDArray[np.int64]
    first_year: NDArray[np.int64]


class _Kept(NamedTuple):
    """What is kept while one student is looked at: the terms' place in time and marks, the credits of each year."""

    order: NDArray[np.int64]
    has_mark: NDArray[np.bool_]
    with_credits: NDArray[np.int64]
    earned: NDArray[np.int64]


class _Grade(NamedTuple):
    """One grade, judged; units are -1 where there are none."""

    percent: int
    points: int
    attempted: int
    earned: int
    has_mark: bool
    is_judged: bool
    is_failing: bool
    is_near: bool
    is_f: bool
    is_d: bool
    is_incomplete: bool
    is_final: bool
    is_core: bool
    subject: int


def add_up(grades: Grades) -> Sums:
    """The sums of every student."""
    students, years = grades.below.shape
    by_group = {"courses": (GROUPS, COUNTS), "finals": (YEARS * GROUPS, COUNTS)}
    by_period = dict.fromkeys(("percents", "percent_count", "points", "point_count"), (PERIODS,))
    by_subject = dict.fromkeys(("subject_percents", "subject_percent_count"), (GROUPS,))
    axes: Mapping[str, tuple[int, ...]] = by_group | by_period | by_subject
    found = Sums(*(np.zeros((*axes.get(name, ()), students), dtype=np.int64, order="F") for name in Sums._fields))
    order, has_mark = np.full(grades.terms, NEVER), np.zeros(grades.terms, dtype=np.bool_)
    _walk(grades, _Kept(order, has_mark, np.zeros(years, np.int64), np.zeros(years, np.int64)), found)
    return found


@compiled
def _walk(grades: Grades, kept: _Kept, found: Sums) -> None:
    for student in range(grades.begins.size - 1):
        latest, previous = _latest_terms(grades, student, kept)
        for row in range(grades.begins[student], grades.begins[student + 1]):
            grade, year, term = _judged(grades, row), int(grades.year[row]), grades.term[row]
            ago = grades.this_year - year
            _add_averages(grade, (min(THIS_YEAR + ago, EARLIER), student), found)
            period = LATEST_TERM if term == latest else PREVIOUS_TERM if term == previous else EARLIER
            _add_averages(grade, (EARLIER if ago else period, student), found)
            if period == LATEST_TERM and not ago:
                _add_courses(grade, student, found)
            if grade.is_final:
                _add_final(grade, (ago, student), found)
                kept.with_credits[year] += grade.attempted >= 0
                kept.earned[year] += max(grade.earned, 0)
        found.latest[student], found.previous[student] = latest, previous
        found.earned_total[student], found.first_year[student] = _credits(grades.below[student], kept)


@inlined
def _latest_terms(grades: Grades, student: int, kept: _Kept) -> tuple[int, int]:
    """The latest term with a mark and the one before it, by date and then by name; -1 for none."""
    rows = range(grades.begins[student], grades.begins[student + 1])
    for row in rows:
        if grades.year[row] == grades.this_year:
            term = grades.term[row]
            place = np.int64(grades.term_date[row]) * grades.terms + term
            kept.order[term] = max(kept.order[term], place)
            kept.has_mark[term] |= grades.kinds.has_letter[grades.mark[row]] or not math.isnan(grades.percent[row])
    latest = previous = NEVER
    for row in rows:
        term = grades.term[row]
        if kept.has_mark[term]:
            place = int(kept.order[term])
            latest, previous = max(latest, place), max(previous, min(latest, place))
        kept.order[term], kept.has_mark[term] = NEVER, False
    return _term_at(latest, grades.terms), _term_at(previous, grades.terms)


@inlined
def _term_at(place: int, terms: int) -> int:
    return NONE if place == NEVER else place % terms


@inlined
def _judged(grades: Grades, row: int) -> _Grade:
    """A grade with what its mark says, or else its percent: no comparison with NaN holds."""
    percent, mark, kinds = float(grades.percent[row]), int(grades.mark[row]), grades.kinds
    has_percent, is_grade = not math.isnan(percent), kinds.is_grade[mark]
    is_f = kinds.fails[mark] or percent < F_PERCENT
    is_d = D_PERCENTS[0] < percent <= D_PERCENTS[1] if has_percent else kinds.nearly_fails[mark]
    is_near = FAILING_PERCENT <= percent < NEAR_FAILING_PERCENT
    counts = not kinds.is_withdrawn[mark]
    return _Grade(
        _units(percent),
        _units(grades.grade_points[row]),
        _units(grades.credits_attempted[row]) if counts else NONE,
        _units(grades.credits_earned[row]) if counts else NONE,
        kinds.has_letter[mark] or has_percent,
        is_grade or has_percent,
        kinds.fails[mark] if is_grade else percent < FAILING_PERCENT,
        kinds.nearly_fails[mark] if is_grade else is_near,
        is_f,
        is_d and not is_f,
        kinds.is_incomplete[mark],
        grades.is_final[row],
        grades.is_core[row],
        grades.subject[row],
    )


@inlined
def _units(value: float) -> int:
    """The value in units, halves rounded up; -1 for none."""
    if math.isnan(value):
        return NONE
    units = value * UNITS
    whole = math.floor(units)
    return whole + (units - whole >= 0.5)


@inlined
def _add_averages(grade: _Grade, place: tuple[int, int], found: Sums) -> None:
    found.percents[place] += max(grade.percent, 0)
    found.percent_count[place] += grade.percent >= 0
    found.points[place] += max(grade.points, 0)
    found.point_count[place] += grade.points >= 0


@inlined
def _add_courses(grade: _Grade, student: int, found: Sums) -> None:
    _count(grade, (ALL, student), found.courses)
    _count(grade, (CORE if grade.is_core else OTHERS, student), found.courses)
    group = ENGLISH if grade.subject == _ENGLISH else MATH if grade.subject == _MATH else OTHERS
    _count(grade, (group, student), found.courses)
    found.subject_percents[group, student] += max(grade.percent, 0)
    found.subject_percent_count[group, student] += grade.percent >= 0
    found.marked[student] += grade.has_mark
    found.near_core[student] += grade.is_near & grade.is_core
    found.f_marks[student] += grade.is_f
    found.d_marks[student] += grade.is_d


@inlined
def _count(grade: _Grade, place: tuple[int, int], counts: NDArray[np.int64]) -> None:
    group, student = place
    counts[group, COURSES, student] += 1
    counts[group, JUDGED, student] += grade.is_judged
    counts[group, FAILING, student] += grade.is_failing


@inlined
def _add_final(grade: _Grade, place: tuple[int, int], found: Sums) -> None:
    ago, student = place
    if ago < YEARS:
        year = ago * GROUPS
        _count(grade, (year + ALL, student), found.finals)
        _count(grade, (year + (CORE if grade.is_core else OTHERS), student), found.finals)
    if ago == 0:
        found.incomplete[student] += grade.is_incomplete
        found.with_credits[student] += grade.attempted >= 0
        found.attempted[student] += max(grade.attempted, 0)
        found.earned[student] += max(grade.earned, 0)


@inlined
def _credits(below: NDArray[np.bool_], kept: _Kept) -> tuple[int, int]:
    """Credits earned in the years that were not spent below grade 9, and the first of them; -1 for none."""
    total, first = 0, NONE
    for year in range(below.size):
        if kept.with_credits[year] > 0 and not below[year]:
            total += kept.earned[year]
            first = year if first == NONE else first
        kept.with_credits[year], kept.earned[year] = 0, 0
    return total, first
