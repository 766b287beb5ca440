"""Where each student of a block is enrolled on each day of a school year: late entries, moves, gaps, drop-outs.

Every student has up to two stays a year, plus a second school at the same time for a few (a skills center).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import polars as pl

from cis_ews.enums import ExitType
from cis_ews.synthetic.calendar import MONTHS, YearCalendar
from cis_ews.synthetic.districts import HIGH, SKILLS, World
from cis_ews.synthetic.plan import Array, Stream
from cis_ews.synthetic.roster import GRADES, PREKINDERGARTEN, Block, level_of

NOWHERE = -1


class Exit(IntEnum):
    """Exit types by number; `OPEN` is the end of a year, which has none."""

    OPEN = 0
    TRANSFER = 1
    GRADUATED = 2
    DROPPED_OUT = 3
    OTHER = 4


EXIT_TYPES = (None, ExitType.TRANSFER, ExitType.GRADUATED, ExitType.DROPPED_OUT, ExitType.OTHER)


class Move(IntEnum):
    """What happens to a student in the middle of a year, at most one thing."""

    NONE = 0
    ANOTHER_SCHOOL = 1
    ANOTHER_DISTRICT = 2
    LEAVES = 3
    RETURNS = 4


# Of 1,000 students in a year, by kind of move.
MOVES_A_THOUSAND = {Move.ANOTHER_SCHOOL: 25, Move.ANOTHER_DISTRICT: 14, Move.LEAVES: 22, Move.RETURNS: 7}
# Monthly odds of dropping out in grades 9 to 12 at average absence.
DROP_OUT_A_MONTH = np.array([0.0013, 0.0021, 0.0031, 0.0038])


@dataclass(slots=True, kw_only=True)
class Stays:
    """Enrollments of one school year, m rows: student (row of the block), school, first and last day (index), exit."""

    student: Array
    school: Array
    first: Array
    last: Array
    exit: Array

    def select(self, chosen: Array) -> Stays:
        """Some of the rows."""
        names = ("student", "school", "first", "last", "exit")
        return Stays(**{name: getattr(self, name)[chosen] for name in names})


@dataclass(slots=True, kw_only=True)
class Year:
    """One school year of a block. `stays`: one school at a time; `second`: enrolled there besides.

    `shocks`: n x 10, how much more (or less) than usual a student is absent in a month, in logs, autocorrelated.
    `school_by_day`: n x D, the school (-1: none). `school`: the first school of the year.
    """

    index: int
    calendar: YearCalendar
    shocks: Array
    stays: Stays
    second: Stays
    school: Array
    school_by_day: Array

    def instructional(self, world: World) -> Array:
        """Days on which a student is enrolled and expected: n x D."""
        districts = world.district[self.school_by_day]
        days = np.arange(self.calendar.days.size)
        return (self.school_by_day != NOWHERE) & self.calendar.instructional[districts, days]


def make_year(world: World, block: Block, index: int) -> Year:
    """Draw the enrollments of one school year; moves change the students' district and zone in place."""
    rng = world.plan.generator(Stream.MOBILITY, block.key.district, block.key.number, index)
    calendar = world.calendars[index]
    shocks = _monthly_shocks(block.size, rng)
    school = world.school_of(block.district, level_of(block.grade), block.zone)
    first = _entry_days(block, calendar, index, rng=rng)
    moves = _draw_moves(world, block, rng)
    drop_out = _drop_out_day(block, shocks, calendar, rng=rng)
    stays = _stays(world, block, calendar, drawn=(school, first, moves, drop_out), rng=rng)
    return Year(
        index=index,
        calendar=calendar,
        shocks=shocks,
        stays=stays,
        second=_second_school(world, block, stays, rng=rng),
        school=school,
        school_by_day=_by_day(stays, block.size, calendar.days.size),
    )


def _monthly_shocks(size: int, rng: np.random.Generator) -> Array:
    """A shock of the year plus an autocorrelated one a month."""
    monthly = np.empty((size, MONTHS), dtype=np.float32)
    state = rng.normal(0, 0.33, size)
    for month in range(MONTHS):
        state = 0.7 * state + rng.normal(0, 0.24, size)
        monthly[:, month] = state
    return monthly + rng.normal(0, 0.2, size)[:, None]


def _entry_days(block: Block, calendar: YearCalendar, index: int, *, rng: np.random.Generator) -> Array:
    """The first day of school for most; newcomers and a few others come late."""
    first, last = calendar.first[block.district], calendar.last[block.district]
    new = block.newcomer & (block.first_year == index)
    late = rng.random(block.size) < np.where(new, 0.55, 0.012)
    day = first + (rng.beta(1.0, 1.6, block.size) * (last - first - 20)).astype(np.int64)
    return _next_day(calendar, block.district, np.where(late, day, first))


def _draw_moves(world: World, block: Block, rng: np.random.Generator) -> Array:
    odds = np.cumsum(list(MOVES_A_THOUSAND.values())) / 1000
    draw = rng.random(block.size) / np.where(block.low_income, 1.35, 0.7)
    move = np.array([*MOVES_A_THOUSAND, Move.NONE])[np.searchsorted(odds, draw, side="right")]
    move[block.grade == PREKINDERGARTEN] = Move.NONE
    alone = world.school_count[block.district, level_of(block.grade)] == 1
    move[(move == Move.ANOTHER_SCHOOL) & alone] = Move.NONE
    if world.plan.districts == 1:
        move[move == Move.ANOTHER_DISTRICT] = Move.LEAVES
    return move


def _drop_out_day(block: Block, shocks: Array, calendar: YearCalendar, *, rng: np.random.Generator) -> Array:
    """Day of dropping out, or past the year's end: odds rise with absence and low marks, and chance has its say."""
    high = block.grade >= 9
    base = DROP_OUT_A_MONTH[np.clip(block.grade - 9, 0, 3)]
    lean = 0.75 * block.absence - 0.55 * block.ability + 0.2 * block.conduct + 0.5 * block.repeats
    odds = np.clip(base * np.exp(lean - 0.25), 0, 0.5)[:, None] * np.exp(0.8 * shocks)
    happens = (rng.random(odds.shape) < odds) & high[:, None]
    month = np.argmax(happens, axis=1)
    starts = np.searchsorted(calendar.month, np.arange(MONTHS))
    day = starts[month] + rng.integers(5, 20, block.size)
    return np.where(happens.any(axis=1), day, calendar.days.size)


def _stays(
    world: World,
    block: Block,
    calendar: YearCalendar,
    *,
    drawn: tuple[Array, Array, Array, Array],
    rng: np.random.Generator,
) -> Stays:
    school, first, move, drop_out = drawn
    year_end = calendar.last[block.district]
    moved_on = first + 8 + (rng.random(block.size) * (year_end - first - 45)).astype(np.int64)
    feasible = (year_end - first > 60) & block.active
    move = np.where(feasible, move, Move.NONE)
    leaves = move != Move.NONE
    dropped = drop_out < np.where(leaves, moved_on, year_end - 5)
    dropped &= drop_out > first + 3
    last = np.where(dropped, drop_out, np.where(leaves, moved_on, year_end))
    last = np.maximum(_previous_day(calendar, block.district, last), first)
    exits = np.where(dropped, Exit.DROPPED_OUT, np.where(leaves, Exit.TRANSFER, Exit.OPEN))
    stay = Stays(student=np.arange(block.size), school=school, first=first, last=last, exit=exits)
    gone = block.active & ((leaves & (move == Move.LEAVES)) | dropped)
    comes_back = block.active & leaves & (move != Move.LEAVES) & ~dropped
    second = _second_stay(world, block, calendar, drawn=(stay, move, comes_back), rng=rng)
    present = stay.select(block.active)
    block.active[gone] = False
    return _joined(present, second)


def _second_stay(
    world: World,
    block: Block,
    calendar: YearCalendar,
    *,
    drawn: tuple[Stays, Array, Array],
    rng: np.random.Generator,
) -> Stays:
    """Where those go who leave one school for another in the year, a gap of days between."""
    stay, move, chosen = drawn
    size = block.size
    elsewhere = chosen & (move == Move.ANOTHER_DISTRICT)
    sizes = world.district_students / world.district_students.sum()
    block.district = np.where(elsewhere, rng.choice(sizes.size, size, p=sizes), block.district)
    block.zone = np.where(elsewhere | (chosen & (move == Move.ANOTHER_SCHOOL)), rng.random(size), block.zone)
    school = world.school_of(block.district, level_of(block.grade), block.zone)
    gap = np.where(move == Move.RETURNS, rng.integers(8, 25, size), rng.integers(0, 10, size))
    first = _next_day(calendar, block.district, stay.last + 1 + gap)
    last = calendar.last[block.district]
    back = Stays(student=np.arange(size), school=school, first=first, last=last, exit=np.full(size, Exit.OPEN))
    return back.select(chosen)


def _second_school(world: World, block: Block, stays: Stays, *, rng: np.random.Generator) -> Stays:
    """Some students of grades 11 and 12 spend part of the day in their district's skills center."""
    district = world.district[stays.school]
    there = world.school_count[district, SKILLS] > 0
    grade = block.grade[stays.student]
    goes = (rng.random(block.size) < 0.09)[stays.student]
    chosen = there & goes & (grade >= 11) & (world.level[stays.school] == HIGH) & (stays.last - stays.first > 40)
    center = world.first_school[district, SKILLS]
    return Stays(student=stays.student, school=center, first=stays.first, last=stays.last, exit=stays.exit).select(
        chosen
    )


def _joined(one: Stays, other: Stays) -> Stays:
    both = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in one.__slots__}
    order = np.lexsort((both["first"], both["student"]))
    return Stays(**{name: values[order] for name, values in both.items()})


def _by_day(stays: Stays, size: int, days: int) -> Array:
    """School of each student on each day: n x D, -1 where there is none."""
    steps = np.zeros((size, days + 1), dtype=np.int32)
    np.add.at(steps, (stays.student, stays.first), stays.school + 1)
    np.add.at(steps, (stays.student, stays.last + 1), -stays.school - 1)
    return np.cumsum(steps[:, :-1], axis=1, dtype=np.int32) - 1


def _next_day(calendar: YearCalendar, district: Array, day: Array) -> Array:
    """The day itself where it is instructional, else the next one that is."""
    before = np.clip(day - 1, 0, calendar.days.size - 1)
    return _snap(calendar, district, calendar.number[district, before] + 1)


def _previous_day(calendar: YearCalendar, district: Array, day: Array) -> Array:
    return _snap(calendar, district, np.maximum(calendar.number[district, day], 1))


def _snap(calendar: YearCalendar, district: Array, number: Array) -> Array:
    """Index of the day with an instructional number, by district."""
    by_number = np.argsort(~calendar.instructional, axis=1, kind="stable")
    total = calendar.number[:, -1][district]
    return by_number[district, np.minimum(number, total) - 1]


def enrollments_table(world: World, block: Block, year: Year, *, grade: Array) -> pl.DataFrame:
    """The table `enrollments` of one year; `grade` is the students' grade in it."""
    stays = _joined(year.stays, year.second)
    return pl.DataFrame(
        {
            "student_id": block.student_ids.gather(stays.student),
            "school_id": pl.Series(world.school_ids, dtype=pl.String).gather(stays.school),
            "entry_date": year.calendar.days[stays.first],
            "school_year": np.full(stays.student.size, year.calendar.school_year, dtype=np.int16),
            "grade_level": pl.Series(GRADES).gather(grade[stays.student] + 1),
            "exit_date": year.calendar.days[stays.last],
            "exit_type": pl.Series(EXIT_TYPES, dtype=pl.String).gather(stays.exit),
        }
    )
