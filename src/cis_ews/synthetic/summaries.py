"""What a school system keeps of a year whose daily rows it no longer hands over: the table `student_years`.

The figures are those that the rows of the year would have given, to the last bit.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from cis_ews.indicators import DAY_PARTS
from cis_ews.synthetic.attendance import Days
from cis_ews.synthetic.behavior import OUT_OF_SCHOOL, Conduct
from cis_ews.synthetic.coursework import LETTERS, NO_CREDIT, PASSED, PASSING, STANDARDS, Coursework
from cis_ews.synthetic.districts import World
from cis_ews.synthetic.mobility import Year
from cis_ews.synthetic.plan import Array
from cis_ews.synthetic.roster import Block

FAILED = 0  # the place of an F among the marks
UNITS = 10_000  # grade points are added up in ten-thousandths


def summaries_table(
    world: World, block: Block, year: Year, *, days: Days, conduct: Conduct, coursework: Coursework
) -> pl.DataFrame:
    """The table `student_years` of one year: everybody who was enrolled in it."""
    there = np.unique(year.stays.student)
    enrolled = days.instructional.sum(axis=1)
    missed = np.rint(days.absent * DAY_PARTS).sum(axis=1) / DAY_PARTS
    suspended = conduct.student[np.isin(conduct.action, OUT_OF_SCHOOL)]
    points, failures = _marks(coursework, block.size)
    return pl.DataFrame(
        {
            "student_id": block.student_ids.gather(there),
            "school_year": np.full(there.size, year.calendar.school_year, dtype=np.int16),
            "days_enrolled": enrolled[there].astype(np.int16),
            "days_absent": missed[there],
            "incidents": _count(conduct.student, block.size)[there],
            "suspensions": _count(suspended, block.size)[there],
            "grade_points": pl.Series(points[there], nan_to_null=True),
            "course_failures": pl.Series(failures[there], nan_to_null=True).cast(pl.Int32),
            "school_changes": _changes(world, year, block.size)[there],
        }
    )


def _count(student: Array, size: int) -> Array:
    return np.bincount(student, minlength=size).astype(np.int32)


def _marks(coursework: Coursework, size: int) -> tuple[Array, Array]:
    """Mean grade points and final marks failed by student; NaN where no mark says it."""
    marks = coursework.marks
    student = coursework.graded.student[marks.row]
    pointed = ~np.isnan(marks.points)
    units = np.bincount(student[pointed], weights=np.rint(marks.points[pointed] * UNITS), minlength=size)
    fails, judged = _judged(marks.mark, marks.percent)
    failed = np.bincount(student[marks.final & fails], minlength=size)
    known = np.bincount(student[marks.final & judged], minlength=size)
    counted = np.bincount(student[pointed], minlength=size)
    points = np.where(counted > 0, units / (np.maximum(counted, 1) * UNITS), np.nan)
    return points, np.where(known > 0, failed, np.nan)


def _judged(mark: Array, percent: Array) -> tuple[Array, Array]:
    """Whether a mark is failed, and whether it can be told: a letter decides, without one the percent."""
    standard = (mark >= len(LETTERS)) & (mark < len(LETTERS) + len(STANDARDS))
    is_grade = (mark < len(LETTERS)) | np.isin(mark, (PASSED, NO_CREDIT))
    fails = (mark == FAILED) | (mark == NO_CREDIT) | (standard & (percent < PASSING))
    return fails, is_grade | ~np.isnan(percent)


def _changes(world: World, year: Year, size: int) -> Array:
    """Entries into another school than the one entered before, on a later day."""
    student = np.concatenate([year.stays.student, year.second.student])
    rank = world.school_rank[np.concatenate([year.stays.school, year.second.school])]
    first = np.concatenate([year.stays.first, year.second.first])
    order = np.lexsort((rank, first, student))
    student, rank, first = student[order], rank[order], first[order]
    moved = (np.diff(student) == 0) & (np.diff(rank) != 0) & (np.diff(first) > 0)
    return _count(student[1:][moved], size)
