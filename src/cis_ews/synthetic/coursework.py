"""Marks and credits: a term's marks follow the attendance of that term and of the one before, ability, and chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from cis_ews.synthetic.attendance import Days
from cis_ews.synthetic.calendar import TERM_LETTERS
from cis_ews.synthetic.districts import ELEMENTARY, HIGH, MIDDLE, World
from cis_ews.synthetic.mobility import Year
from cis_ews.synthetic.plan import Array, Stream
from cis_ews.synthetic.roster import GRADES, KINDERGARTEN, Block

SUBJECTS = ("english", "math", "science", "social_studies", "other", "other")
CODES = ("ENG", "MTH", "SCI", "SOC", "ART", "PEH")
CAREER = "CTE"
OTHER = 4
LETTERS = ("F", "D", "D+", "C-", "C", "C+", "B-", "B", "B+", "A-", "A")
LETTER_FROM = np.array([60, 67, 70, 73, 77, 80, 83, 87, 90, 93])
POINTS = np.array([0.0, 1.0, 1.3, 1.7, 2.0, 2.3, 2.7, 3.0, 3.3, 3.7, 4.0])
STANDARDS = ("1", "2", "3", "4")
STANDARD_FROM = np.array([62, 74, 90])
MARKS = (*LETTERS, *STANDARDS, "I", "P", "NC", None)
INCOMPLETE, PASSED, NO_CREDIT, MISSING = range(len(MARKS) - 4, len(MARKS))
PASSING = 60
LEAST_DAYS_TO_BE_GRADED = 15
FIRST_GRADE_OF_A_STATE = 3  # below it, a state does not collect marks


@dataclass(slots=True, kw_only=True)
class Graded:
    """A student in a school at the end of a term, m rows: term index, terms a year, index of the term's last day."""

    student: Array
    school: Array
    term: Array
    terms: Array
    end: Array
    start: Array
    part_time: Array


@dataclass(slots=True, kw_only=True)
class Marks:
    """Course marks of one year, sorted by student: rows of `Graded` x courses, flattened."""

    row: Array
    slot: Array
    mark: Array
    percent: Array
    points: Array
    attempted: Array
    earned: Array
    final: Array
    graded_on: Array


@dataclass(slots=True, kw_only=True)
class Coursework:
    """The marks of one year and what follows from them: final courses failed and taken, by student."""

    graded: Graded
    marks: Marks
    failed: Array
    taken: Array


def make_coursework(world: World, block: Block, year: Year, *, days: Days) -> Coursework:
    """Draw the marks of one school year."""
    rng = world.plan.generator(Stream.COURSEWORK, block.key.district, block.key.number, year.index)
    graded = _graded(world, block, year)
    lean = _expected_percent(block, graded, days=days, rng=rng)
    marks = _marks(world, block, year, graded=graded, expected=lean, rng=rng)
    counted = marks.final & (marks.attempted > 0)
    student = graded.student[marks.row]
    failed = np.bincount(student[counted & (marks.earned == 0)], minlength=block.size)
    return Coursework(
        graded=graded, marks=marks, failed=failed, taken=np.bincount(student[counted], minlength=block.size)
    )


def _graded(world: World, block: Block, year: Year) -> Graded:
    """Who gets marks where: those enrolled at a term's end who had been there for some weeks."""
    stays = year.stays
    second = np.isin(stays.student, year.second.student)
    student = np.concatenate([stays.student, year.second.student])
    school = np.concatenate([stays.school, year.second.school])
    first = np.concatenate([stays.first, year.second.first])
    last = np.concatenate([stays.last, year.second.last])
    part_time = np.concatenate([second & (world.level[stays.school] == HIGH), np.zeros(year.second.student.size, bool)])
    lowest = FIRST_GRADE_OF_A_STATE if world.plan.state else KINDERGARTEN
    parts: list[tuple[Array, ...]] = []
    for terms in TERM_LETTERS:
        ends = year.calendar.term_ends(terms)[world.district[school]]
        for term in range(terms):
            end = ends[:, term]
            there = (world.terms[school] == terms) & (first + LEAST_DAYS_TO_BE_GRADED <= end) & (last >= end)
            rows = np.nonzero(there & (block.grade[student] >= lowest))[0]
            begin = ends[rows, term - 1] + 1 if term else np.zeros(rows.size, dtype=np.int64)
            columns = (np.full(rows.size, term), np.full(rows.size, terms), end[rows], begin, part_time[rows])
            parts.append((student[rows], school[rows], *columns))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((joined[2], joined[1], joined[0]))
    names = ("student", "school", "term", "terms", "end", "start", "part_time")
    return Graded(**{name: column[order] for name, column in zip(names, joined, strict=True)})


def _expected_percent(block: Block, graded: Graded, *, days: Days, rng: np.random.Generator) -> Array:
    """What a student's marks of a term would be on average: attendance of this term and more of the one before."""
    missed = np.cumsum(np.pad(days.absent, ((0, 0), (1, 0))), axis=1)
    enrolled = np.cumsum(np.pad(days.instructional, ((0, 0), (1, 0))), axis=1)

    def rate(first: Array, last: Array) -> Array:
        lost = missed[graded.student, last] - missed[graded.student, first]
        return lost / np.maximum(enrolled[graded.student, last] - enrolled[graded.student, first], 10)

    length = graded.end - graded.start
    now = rate(graded.start, graded.end + 1)
    before = rate(np.maximum(graded.start - length, 0), graded.start)
    lagged = np.where(graded.term == 0, block.last_rate[graded.student], before)
    grade = block.grade[graded.student]
    level_drop = np.where(grade >= 9, 3.0, np.where(grade >= 6, 1.0, 0.0)) + 1.0 * (grade == 9)
    term_shock = rng.normal(0, 3.4, graded.student.size)
    return 86 + 6.6 * block.ability[graded.student] - 55 * (0.4 * now + 0.6 * lagged) - level_drop + term_shock


def _marks(
    world: World, block: Block, year: Year, *, graded: Graded, expected: Array, rng: np.random.Generator
) -> Marks:
    row, slot = _courses(world, graded)
    leaning = rng.normal(0, 3.2, (block.size, len(SUBJECTS) + 1))[graded.student[row], slot]
    easier = np.array([0, -2.2, -0.8, 0.2, 3.5, 4.5, 2.0])[slot]
    percent = expected[row] + leaning + easier + rng.normal(0, 4.6, row.size)
    percent = np.round(np.clip(percent, 12, 104), 1)
    grade = block.grade[graded.student[row]]
    mark, percent = _letters(percent, grade, slot, rng=rng)
    final = (graded.terms[row] != 4) | (graded.term[row] % 2 == 1)
    attempted = np.where(final & (mark != MISSING), _credits(world, block, graded, course=(row, slot)), np.nan)
    passed = np.where(mark == PASSED, True, ~np.isin(mark, (INCOMPLETE, NO_CREDIT, MISSING)) & (percent >= PASSING))
    points = np.where((grade >= 6) & (mark < len(LETTERS)), POINTS[np.minimum(mark, len(LETTERS) - 1)], np.nan)
    return Marks(
        row=row,
        slot=slot,
        mark=mark,
        percent=percent,
        points=points,
        attempted=attempted,
        earned=np.where(passed, attempted, np.where(np.isnan(attempted), np.nan, 0.0)),
        final=final,
        graded_on=_graded_on(world, year, graded, row=row, rng=rng),
    )


def _courses(world: World, graded: Graded) -> tuple[Array, Array]:
    """Rows of `graded` by course: four subjects up to grade 5, six courses above, four beside a skills center."""
    level = world.level[graded.school]
    count = np.select([level == ELEMENTARY, graded.part_time, level == MIDDLE, level == HIGH], [4, 4, 6, 6], 1)
    row = np.repeat(np.arange(graded.student.size), count)
    slot = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    # The one course of a skills center stands behind the six.
    return row, np.where(level[row] > HIGH, len(SUBJECTS), slot)


def _letters(percent: Array, grade: Array, slot: Array, *, rng: np.random.Generator) -> tuple[Array, Array]:
    """Letters from grade 6, standards 1 to 4 below; now and then a pass, an incomplete, no credit, or nothing."""
    letter = np.searchsorted(LETTER_FROM, percent, side="right")
    standard = len(LETTERS) + np.searchsorted(STANDARD_FROM, percent, side="right")
    mark = np.where(grade >= 6, letter, standard)
    draw, older = rng.random(percent.size), grade >= 6
    failing = percent < PASSING
    mark = np.where(older & (draw < np.where(failing, 0.06, 0.003)), INCOMPLETE, mark)
    mark = np.where(older & failing & (draw > 0.93), NO_CREDIT, mark)
    mark = np.where((grade >= 9) & (slot == len(SUBJECTS) - 1) & ~failing & (draw > 0.9), PASSED, mark)
    mark = np.where((draw > 0.5) & (draw < 0.508), MISSING, mark)
    no_percent = (grade <= 2) | np.isin(mark, (INCOMPLETE, PASSED, MISSING))
    return mark, np.where(no_percent, np.nan, percent)


def _credits(world: World, block: Block, graded: Graded, *, course: tuple[Array, Array]) -> Array:
    """Half a credit a semester in high school, a whole one in a skills center, half for some grade 8 algebra."""
    row, slot = course
    student, level = graded.student[row], world.level[graded.school[row]]
    algebra = (level == MIDDLE) & (block.grade[student] == 8) & (slot == 1) & (block.ability[student] > 0.9)
    half = (level == HIGH) | (algebra & (graded.terms[row] == 2))
    return np.where(level > HIGH, 1.0, np.where(half, 0.5, np.nan))


def _graded_on(world: World, year: Year, graded: Graded, *, row: Array, rng: np.random.Generator) -> Array:
    """Some days after the term; weeks late for a few; not recorded in some schools."""
    late = np.where(rng.random(row.size) < 0.04, rng.integers(8, 40, row.size), rng.integers(0, 6, row.size))
    day = year.calendar.days[graded.end[row]] + late.astype("timedelta64[D]")
    # The extract ends with the last day of school: what is graded later is not in it.
    last = year.calendar.days[year.calendar.last[world.district[graded.school[row]]]]
    return np.where(world.dates_grades[graded.school[row]], np.minimum(day, last), np.datetime64("NaT", "D"))


def coursework_table(world: World, block: Block, year: Year, *, coursework: Coursework) -> pl.DataFrame:
    """The table `course_grades` of one year, with `known_on`: the day from which each mark is known."""
    graded, marks = coursework.graded, coursework.marks
    row, slot = marks.row, marks.slot
    grade = block.grade[graded.student[row]]
    codes = pl.Series([f"{code}-{label}" for code in (*CODES, CAREER) for label in GRADES])
    terms = pl.Series([f"{letter}{term + 1}" for letter in TERM_LETTERS.values() for term in range(4)])
    letters = np.array([list(TERM_LETTERS).index(count) if count in TERM_LETTERS else 0 for count in range(5)])
    ends = year.calendar.days[graded.end[row]]
    return pl.DataFrame(
        {
            "student_id": block.student_ids.gather(graded.student[row]),
            "school_id": pl.Series(world.school_ids, dtype=pl.String).gather(graded.school[row]),
            "course_id": codes.gather(slot * len(GRADES) + grade + 1),
            "school_year": np.full(row.size, year.calendar.school_year, dtype=np.int16),
            "term": terms.gather(letters[graded.terms[row]] * 4 + graded.term[row]),
            "subject": pl.Series((*SUBJECTS, "other")).gather(slot),
            "is_core": slot < OTHER,
            "mark": pl.Series(MARKS, dtype=pl.String).gather(marks.mark),
            "percent": _nullable(marks.percent),
            "grade_points": _nullable(marks.points),
            "credits_attempted": _nullable(marks.attempted),
            "credits_earned": _nullable(marks.earned),
            "graded_on": pl.Series(marks.graded_on.astype("datetime64[D]")),
            "is_final": marks.final,
            "assignments": pl.repeat(None, row.size, dtype=pl.Int32, eager=True),
            "assignments_missing_or_late": pl.repeat(None, row.size, dtype=pl.Int32, eager=True),
            "known_on": np.where(np.isnat(marks.graded_on), ends, marks.graded_on).astype("datetime64[D]"),
        }
    )


def _nullable(values: Array) -> pl.Series:
    return pl.Series(values, nan_to_null=True)
