"""Incidents with a heavy tail, and what the school did: out-of-school days become excused absences of the same days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from cis_ews.enums import DisciplineActionType
from cis_ews.synthetic.calendar import MONTHS
from cis_ews.synthetic.districts import World
from cis_ews.synthetic.mobility import Year
from cis_ews.synthetic.names import MAJOR_BEHAVIORS, MINOR_BEHAVIORS
from cis_ews.synthetic.plan import Array, Stream
from cis_ews.synthetic.roster import Block

ACTIONS = tuple(DisciplineActionType)
CLASSROOM, IN_SCHOOL, SHORT_TERM, LONG_TERM, EXPULSION, EMERGENCY = range(6)
OUT_OF_SCHOOL = (SHORT_TERM, LONG_TERM, EXPULSION, EMERGENCY)
# Incidents a student and year by grade, PK first.
INCIDENTS_A_YEAR = np.array([0.3, 1.0, 1.1, 1.15, 1.2, 1.25, 1.35, 1.55, 1.65, 1.55, 1.65, 1.45, 1.2, 1.0])
MAJOR_SHARE = np.array([0.12, *[0.34] * 6, *[0.38] * 3, *[0.46] * 4])
# How the school answers a major incident; a minor one leads to a classroom exclusion now and then.
ANSWERS = {CLASSROOM: 0.14, IN_SCHOOL: 0.07, SHORT_TERM: 0.09, EMERGENCY: 0.008, LONG_TERM: 0.004, EXPULSION: 0.001}
MINOR_EXCLUDED = 0.07
# Of the minor incidents that teachers of a state's schools write down besides, a student and year; none has an action.
NOTED_A_YEAR, NOTED_SPREAD = 4.2, 1.0
SPREAD = 1.3  # of the logs of students' rates: most have no incident, a few have many


@dataclass(slots=True, kw_only=True)
class Conduct:
    """Incidents of one year, sorted by student and day: m of each array; `action` is -1 where nothing followed.

    `start`: index of the day on which the action begins; `days`: its length in school days. `suspended`: n x D, days on
    which a student is kept out of school.
    """

    student: Array
    day: Array
    major: Array
    behavior: Array
    action: Array
    start: Array
    days: Array
    suspended: Array


def make_conduct(world: World, block: Block, year: Year, *, instructional: Array) -> Conduct:
    """Draw the incidents of one school year and the actions that follow."""
    rng = world.plan.generator(Stream.BEHAVIOR, block.key.district, block.key.number, year.index)
    student, day = _when(world, block, year, instructional=instructional, rng=rng)
    grade = block.grade[student]
    major = rng.random(student.size) < MAJOR_SHARE[grade + 1] * np.exp(0.2 * block.conduct[student])
    kinds = np.where(major, len(MAJOR_BEHAVIORS), len(MINOR_BEHAVIORS))
    action = _actions(major, rng, young=grade <= 4)
    days = _lengths(action, rng)
    numbers = np.cumsum(instructional, axis=1, dtype=np.int16)
    start = _starts(numbers, student, day + (rng.random(student.size) < 0.6))
    action = np.where(start >= instructional.shape[1], -1, action)
    conduct = Conduct(
        student=student,
        day=day,
        major=major,
        behavior=(kinds * rng.random(student.size) ** 1.7).astype(np.int64),
        action=action,
        start=np.minimum(start, instructional.shape[1] - 1),
        days=days,
        suspended=_suspended_days(numbers, student, start, lengths=np.where(np.isin(action, OUT_OF_SCHOOL), days, 0)),
    )
    return _with_noted(world, block, year, conduct=conduct, there=instructional) if world.plan.state else conduct


def _with_noted(world: World, block: Block, year: Year, *, conduct: Conduct, there: Array) -> Conduct:
    """The incidents with minor ones that were noted and had no consequence, many for few students."""
    rng = world.plan.generator(Stream.MINOR_INCIDENTS, block.key.district, block.key.number, year.index)
    leaning = NOTED_SPREAD * block.conduct + world.behavior[year.school] - NOTED_SPREAD**2 / 2
    counts = rng.poisson(np.minimum(NOTED_A_YEAR * np.exp(leaning), 120))
    student = np.repeat(np.arange(block.size), counts)
    day = (rng.random(student.size) * there.shape[1]).astype(np.int64)
    kept = there[student, day]
    student, day = student[kept], day[kept]
    nothing = np.zeros(student.size, dtype=np.int64)
    noted = {
        "student": student,
        "day": day,
        "major": nothing.astype(bool),
        "behavior": (len(MINOR_BEHAVIORS) * rng.random(student.size) ** 1.7).astype(np.int64),
        "action": nothing - 1,
        "start": nothing,
        "days": nothing.astype(np.float64),
    }
    joined = {name: np.concatenate([getattr(conduct, name), values]) for name, values in noted.items()}
    order = np.lexsort((joined["day"], joined["student"]))
    return Conduct(**{name: values[order] for name, values in joined.items()}, suspended=conduct.suspended)


def _when(
    world: World, block: Block, year: Year, *, instructional: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Student and day of every incident: Poisson by month around a rate that differs greatly between students."""
    leaning = SPREAD * block.conduct + world.behavior[year.school] - SPREAD**2 / 2
    yearly = INCIDENTS_A_YEAR[block.grade + 1] * np.exp(leaning)
    bursts = np.exp(0.6 * rng.standard_normal((block.size, MONTHS)) - 0.18)
    counts = rng.poisson(np.minimum(yearly / MONTHS, 4.0)[:, None] * bursts)
    student, month = np.nonzero(counts)
    repeated = counts[student, month]
    student, month = np.repeat(student, repeated), np.repeat(month, repeated)
    edges = np.searchsorted(year.calendar.month, np.arange(MONTHS + 1))
    day = edges[month] + (rng.random(month.size) * (edges[month + 1] - edges[month])).astype(np.int64)
    there = instructional[student, day]
    student, day = student[there], day[there]
    order = np.lexsort((day, student))
    return student[order], day[order]


def _actions(major: Array, rng: np.random.Generator, *, young: Array) -> Array:
    odds = np.cumsum(list(ANSWERS.values()))
    kinds = np.array([*ANSWERS, -1])
    drawn = kinds[np.searchsorted(odds, rng.random(major.size), side="right")]
    minor = np.where(rng.random(major.size) < MINOR_EXCLUDED, CLASSROOM, -1)
    # Long-term suspension and expulsion are not for kindergarten to grade 4.
    drawn = np.where(young & np.isin(drawn, (LONG_TERM, EXPULSION)), SHORT_TERM, drawn)
    return np.where(major, drawn, minor)


def _lengths(action: Array, rng: np.random.Generator) -> Array:
    """Length in school days; half days for classroom exclusions and some in-school suspensions."""
    draw = rng.random(action.size)
    short = 1 + np.floor(9.99 * draw**3.2)
    lengths = {
        CLASSROOM: np.where(draw < 0.8, 0.5, 1.0),
        IN_SCHOOL: np.where(draw < 0.2, 0.5, 1 + np.floor(3 * draw**2)),
        SHORT_TERM: short,
        LONG_TERM: 11 + np.floor(35 * draw**2),
        EXPULSION: 30 + np.floor(40 * draw),
        EMERGENCY: 1 + np.floor(9.99 * draw),
    }
    return np.select([action == kind for kind in lengths], list(lengths.values()), 0.0)


def _starts(numbers: Array, student: Array, day: Array) -> Array:
    """First day from `day` on on which the student is expected; the number of days where there is none any more."""
    reached: Array = numbers[student] > np.where(day > 0, numbers[student, np.maximum(day - 1, 0)], 0)[:, None]
    first: Array = np.argmax(reached, axis=1)
    return np.where(reached.any(axis=1), first, numbers.shape[1])


def _suspended_days(numbers: Array, student: Array, start: Array, *, lengths: Array) -> Array:
    """Mark as many of the student's instructional days, from the start on, as the action is long: n x D."""
    kept_out = lengths >= 1
    student, start = student[kept_out], start[kept_out]
    size, days = numbers.shape
    marks = np.zeros((size, days + 2), dtype=np.int16)
    begins = numbers[student, start]
    ends = np.minimum(begins + lengths[kept_out].astype(np.int64), days + 1)
    np.add.at(marks, (student, begins), 1)
    np.add.at(marks, (student, ends), -1)
    by_number = np.cumsum(marks, axis=1) > 0
    expected = np.diff(numbers, axis=1, prepend=0) > 0
    return np.take_along_axis(by_number, numbers, axis=1) & expected


def behavior_tables(world: World, block: Block, year: Year, *, conduct: Conduct) -> dict[str, pl.DataFrame]:
    """The tables `incidents` and `discipline_actions` of one year."""
    student, day = conduct.student, conduct.day
    words = pl.Series([*MINOR_BEHAVIORS, *MAJOR_BEHAVIORS])
    running = ((block.key.district * 1000 + block.key.number) * 20 + year.index) * 100_000 + np.arange(student.size)
    incidents = pl.DataFrame(
        {
            "incident_id": pl.Series(running).cast(pl.String).str.zfill(12),
            "student_id": block.student_ids.gather(student),
            "school_id": pl.Series(world.school_ids, dtype=pl.String).gather(year.school_by_day[student, day]),
            "date": year.calendar.days[day],
            "severity": pl.Series(("minor", "major")).gather(conduct.major.astype(np.int64)),
            "behavior": words.gather(conduct.behavior + conduct.major * len(MINOR_BEHAVIORS)),
        }
    )
    answered = np.nonzero(conduct.action >= 0)[0]
    actions = incidents.select("incident_id", "student_id")[answered].with_columns(
        pl.Series("action", ACTIONS, dtype=pl.String).gather(conduct.action[answered]),
        pl.Series("start_date", year.calendar.days[conduct.start[answered]]),
        pl.Series("days", conduct.days[answered]),
    )
    return {"incidents": incidents, "discipline_actions": actions}
