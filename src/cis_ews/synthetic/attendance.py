"""Absences as spells: each day a student who was there may fall out, and one who was out may return.

The odds of falling out carry a persistent propensity, the school, the grade, a monthly shock that lasts, illness waves,
the season, the weekday and the days before a holiday. The loop is over days; each step is all students of the block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from cis_ews.synthetic.behavior import Conduct
from cis_ews.synthetic.calendar import INSTRUCTIONAL_DAYS, YearCalendar
from cis_ews.synthetic.coding import coded
from cis_ews.synthetic.districts import World
from cis_ews.synthetic.mobility import Year
from cis_ews.synthetic.plan import Array, Stream
from cis_ews.synthetic.roster import Block

PRESENT, EXCUSED, UNEXCUSED, TARDY = range(4)
STATUSES = pl.Enum(["present", "excused", "unexcused", "tardy"])
# Absence rate of the middle student by grade, PK first: highest in kindergarten, 8, 9 and 12.
USUAL_RATE = np.array([93, 85, 68, 59, 55, 54, 55, 60, 65, 74, 74, 69, 72, 90]) / 1000
SPREAD = 0.72
WEEKDAY = np.array([1.14, 0.93, 0.92, 0.94, 1.2])
SEASON = np.array([0.68, 0.85, 1.0, 1.16, 1.14, 1.08, 1.04, 1.0, 1.06, 1.28])
FRACTIONS_YOUNG = np.array([0.25, 0.5, 0.75], dtype=np.float32)
FRACTIONS_OLDER = np.array([0.1667, 0.3333, 0.5, 0.6667, 0.8333], dtype=np.float64)
LATE_BY = np.array([0.0, 0.02, 0.05, 0.08])


@dataclass(slots=True, kw_only=True)
class Days:
    """What was recorded: n x D of `status` (0: nothing) and `fraction`, and which days count for the student.

    `absent`: the part of each day that was missed; tardies are no absence.
    """

    status: Array
    fraction: Array
    absent: Array
    instructional: Array


def make_days(world: World, block: Block, year: Year, *, conduct: Conduct, instructional: Array) -> Days:
    """Draw a school year of attendance."""
    rng = world.plan.generator(Stream.ATTENDANCE, block.key.district, block.key.number, year.index)
    absent, excused = _spells(world, block, year, rng=rng)
    older = (block.grade >= 6)[:, None]
    draw = rng.random(absent.shape, dtype=np.float32)
    tardy = draw < (np.where(older, 0.032, 0.014) * np.exp(0.7 * block.absence - 0.25)[:, None])
    tardy &= ~absent
    status, fraction = tardy * np.int8(TARDY), np.zeros(absent.shape)
    fraction[tardy] = LATE_BY[(draw[tardy] * 1e4).astype(np.int64) % 4]
    status[absent] = np.where(excused[absent], EXCUSED, UNEXCUSED)
    fraction[absent] = _fractions(absent, older[:, 0], rng)
    status[conduct.suspended] = EXCUSED
    fraction[conduct.suspended] = 1.0
    status[~instructional] = PRESENT
    missed = (status == EXCUSED) | (status == UNEXCUSED)
    return Days(status=status, fraction=fraction, absent=fraction * missed, instructional=instructional)


def _spells(world: World, block: Block, year: Year, *, rng: np.random.Generator) -> tuple[Array, Array]:
    """Absent or not, excused or not: n x D each."""
    start = _start_odds(world, block, year, rng=rng)
    stay = np.clip(0.34 + 0.07 * rng.standard_normal(block.size), 0.1, 0.6)
    excuse = np.where(block.grade <= 5, 0.70, np.where(block.grade <= 8, 0.60, 0.5)) * np.exp(-0.12 * block.absence)
    size, days = start.shape
    draws = rng.random((days, size), dtype=np.float32)
    reasons = rng.random((days, size), dtype=np.float32)
    absent, excused = np.zeros((days, size), dtype=bool), np.zeros((days, size), dtype=bool)
    out, reason, lasting = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool), stay
    by_day = np.ascontiguousarray((start * (1 - stay[:, None])).T)
    for day in range(days):
        now = draws[day] < np.where(out, lasting, by_day[day])
        begins = now & ~out
        reason = np.where(begins, reasons[day] < excuse, reason)
        lasting = np.where(begins, np.where(reasons[day] < 0.012, 0.9, stay), lasting)
        absent[day], excused[day], out = now, reason, now
    return np.ascontiguousarray(absent.T), np.ascontiguousarray(excused.T)


def _start_odds(world: World, block: Block, year: Year, *, rng: np.random.Generator) -> Array:
    """Usual absence rate of each student on each day: n x D."""
    calendar = year.calendar
    usual = np.log(USUAL_RATE[block.grade + 1]) + SPREAD * block.absence + world.attendance[year.school]
    by_day = np.log(_day_factors(world, calendar, rng)).astype(np.float32)
    logs = usual.astype(np.float32)[:, None] + year.shocks[:, calendar.month] + by_day[block.district]
    return np.minimum(np.exp(logs), 0.75)


def _day_factors(world: World, calendar: YearCalendar, rng: np.random.Generator) -> Array:
    """Season, weekday, days beside a day off, and illness waves that reach all districts: districts x D."""
    days = np.arange(calendar.days.size)
    waves = np.ones(days.size)
    wave_rng = world.plan.generator(Stream.ATTENDANCE, 0, 0, calendar.school_year)
    for _ in range(int(wave_rng.integers(2, 4))):
        center, width = wave_rng.uniform(35, 150), wave_rng.uniform(5, 12)
        waves += wave_rng.uniform(0.2, 0.6) * np.exp(-(((days - center) / width) ** 2))
    off = ~calendar.instructional
    beside = np.roll(off, -1, axis=1) | np.roll(off, 1, axis=1)
    local = rng.lognormal(0.0, 0.06, days.size)
    factors: Array = SEASON[calendar.month] * WEEKDAY[calendar.weekday] * waves * local * np.where(beside, 1.3, 1.0)
    mean = (factors * calendar.instructional).sum(axis=1) / INSTRUCTIONAL_DAYS
    return factors / mean[:, None]


def _fractions(absent: Array, older: Array, rng: np.random.Generator) -> Array:
    """Of each absence: whole days mostly; parts in quarters for the young and sixths for those who have periods."""
    part = rng.random(absent.shape, dtype=np.float32)[absent]
    whole = rng.random(absent.shape, dtype=np.float32)[absent]
    older = np.repeat(older, absent.sum(axis=1))
    young = FRACTIONS_YOUNG[(part * 3).astype(np.int64)]
    periods = FRACTIONS_OLDER[(part * 5).astype(np.int64)]
    return np.where(whole < np.where(older, 0.74, 0.88), 1.0, np.where(older, periods, young))


@dataclass(slots=True, kw_only=True)
class _Rows:
    """Rows of the table by number: student of the block, day of the year, school, status; and the part missed."""

    student: Array
    day: Array
    school: Array
    status: Array
    fraction: Array

    def select(self, chosen: Array) -> _Rows:
        """Some of the rows, or all in another order."""
        return _Rows(**{name: getattr(self, name)[chosen] for name in self.__slots__})


def attendance_table(world: World, block: Block, year: Year, *, days: Days) -> pl.DataFrame:
    """The table `attendance_events` of one year as its schools have entered it, sorted by student, date and school.

    Exceptions, or every day on which a student was expected. Ids and statuses are coded.
    """
    rows = _main_rows(world, year, days)
    if year.second.student.size:
        rows = _in_order(world, year, rows, _second_rows(world, year, days))
    rows = rows.select(rows.day <= _last_reported(world, year)[rows.school])
    return pl.DataFrame(
        {
            "student_id": coded(rows.student, pl.Enum(block.student_ids)),
            "school_id": coded(world.school_rank[rows.school], world.schools_by_rank),
            "date": year.calendar.days[rows.day],
            "status": coded(rows.status, STATUSES),
            "fraction_absent": rows.fraction,
        }
    )


def _main_rows(world: World, year: Year, days: Days) -> _Rows:
    told = days.instructional if world.plan.attendance == "positive" else days.status != PRESENT
    place = np.flatnonzero(told)
    student = place // told.shape[1]
    return _Rows(
        student=student,
        day=place - student * told.shape[1],
        school=year.school_by_day.take(place),
        status=days.status.take(place),
        fraction=days.fraction.take(place),
    )


def _second_rows(world: World, year: Year, days: Days) -> _Rows:
    """A whole day missed is missed in both schools."""
    stays = year.second
    columns = np.arange(year.calendar.days.size)
    inside = (columns >= stays.first[:, None]) & (columns <= stays.last[:, None])
    open_days = inside & year.calendar.instructional[world.district[stays.school]]
    missed = np.isin(days.status[stays.student], (EXCUSED, UNEXCUSED)) & (days.fraction[stays.student] == 1)
    row, day = np.nonzero(open_days if world.plan.attendance == "positive" else open_days & missed)
    student, missed = stays.student[row], missed[row, day]
    return _Rows(
        student=student,
        day=day,
        school=stays.school[row],
        status=days.status[student, day] * missed,
        fraction=missed.astype(np.float64),
    )


def _in_order(world: World, year: Year, *parts: _Rows) -> _Rows:
    joined = _Rows(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _Rows.__slots__})
    place = joined.student.astype(np.int64) * year.calendar.days.size + joined.day
    return joined.select(np.argsort(place * world.school_rank.size + world.school_rank[joined.school], kind="stable"))


def _last_reported(world: World, year: Year) -> Array:
    """Index of the last day that each school has entered."""
    return np.searchsorted(year.calendar.days, world.reported_through, side="right") - 1
