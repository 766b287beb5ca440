"""The students of a block: who they are, when they first appear, and the propensities that stay with them.

A block is at most `BLOCK_SIZE` students of one home district; every row of a student is made in its block, wherever the
student goes, so that memory does not grow with the number of students. Blocks are the same whatever the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from cis_ews.synthetic.districts import ELEMENTARY, HIGH, MIDDLE, World
from cis_ews.synthetic.names import FIRST_NAMES, LAST_NAMES
from cis_ews.synthetic.plan import Array, Plan, Stream

BLOCK_SIZE = 4000
PREKINDERGARTEN, KINDERGARTEN = -1, 0
GRADES = ("PK", "K", *(str(grade) for grade in range(1, 13)))
# Shares of PK, K, 1 .. 12 at the start of the first year; grade 9 and 12 hold those who repeat.
GRADE_SHARES = np.array([0.012, 0.073, *[0.0745] * 8, 0.081, 0.078, 0.076, 0.076])
NEWCOMERS = 0.055
STATE_ID_STEP = 1_499
ID_STEP = 48_271_017  # odd, and no multiple of 5: running numbers become scattered numbers of ten digits, each once


@dataclass(frozen=True, slots=True)
class BlockKey:
    """A block by its district, its number in the district, and the running number of its first student."""

    district: int
    number: int
    first: int
    kinds: Array


@dataclass(slots=True, kw_only=True)
class Block:
    """Students sorted by id: n of each array. What changes from year to year is changed in place.

    `first_year`: index of the first year in the extract; `grade`: -1 (PK) to 12, of the current year; `zone`: where in
    the district they live. `absence`, `conduct`, `ability`: propensities, standard normal and correlated.
    """

    key: BlockKey
    student_ids: pl.Series
    first_year: Array
    grade: Array
    district: Array
    zone: Array
    low_income: Array
    absence: Array
    conduct: Array
    ability: Array
    active: Array
    newcomer: Array
    repeats: Array
    last_rate: Array

    @property
    def size(self) -> int:
        """Students of the block."""
        return self.first_year.size


def block_keys(world: World) -> Iterator[BlockKey]:
    """All blocks, district by district."""
    first = 0
    for district, students in enumerate(world.district_students):
        kinds = _kinds(int(students), world.plan)
        for number, start in enumerate(range(0, len(kinds), BLOCK_SIZE)):
            part = kinds[start : start + BLOCK_SIZE]
            yield BlockKey(district, number, first, part)
            first += len(part)


def _kinds(students: int, plan: Plan) -> Array:
    """Year index, grade and whether new to the district, of every student who is ever there: rows x 3."""
    shares = GRADE_SHARES / GRADE_SHARES.sum()
    grades = np.searchsorted(np.cumsum(shares), (np.arange(students) + 0.5) / students) - 1
    parts = [np.column_stack([np.zeros(students, int), grades, np.zeros(students, int)])]
    pre, kinder = round(students * shares[0]), round(students * (shares[1] - shares[0]))
    new = round(students * NEWCOMERS)
    for year in range(1, plan.years):
        arriving = np.concatenate([np.full(pre, -1), np.zeros(kinder, int), np.arange(new) * 12 // max(new, 1) + 1])
        is_new = np.arange(arriving.size) >= pre + kinder
        parts.append(np.column_stack([np.full(arriving.size, year), arriving, is_new.astype(int)]))
    kinds = np.concatenate(parts)
    # Spread over the blocks of the district, so that each block has every grade and every year.
    return kinds[np.argsort(np.arange(len(kinds)) * 0.6180339887498949 % 1.0, kind="stable")]


def make_block(world: World, key: BlockKey) -> Block:
    """The students of a block at the start of the first year."""
    rng = world.plan.generator(Stream.ROSTER, key.district, key.number)
    size = len(key.kinds)
    ids = _ids(world.plan, np.arange(key.first, key.first + size) + 1)
    order = np.argsort(ids)
    first_year, grade, newcomer = key.kinds[order].T
    district = np.full(size, key.district)
    zone = np.where(grade == PREKINDERGARTEN, 0.0, rng.random(size))
    school = world.school_of(district, level_of(grade), zone)
    low_income = rng.random(size) < world.poverty[school]
    absence = rng.normal(0.3 * (low_income - 0.45), 1.0)
    return Block(
        key=key,
        student_ids=pl.Series("student_id", ids[order]).cast(pl.String).str.zfill(10),
        first_year=first_year,
        grade=grade,
        district=district,
        zone=zone,
        low_income=low_income,
        absence=absence,
        conduct=0.25 * absence + rng.normal(0.25 * (low_income - 0.45), 1.0),
        ability=-0.3 * absence + rng.normal(-0.3 * (low_income - 0.45), 0.95),
        active=first_year == 0,
        newcomer=newcomer.astype(bool),
        repeats=np.zeros(size, dtype=bool),
        last_rate=np.clip(np.exp(-2.8 + 0.6 * absence), 0.0, 0.5),
    )


def _ids(plan: Plan, running: Array) -> Array:
    """Numbers of ten digits, each once: scattered in a district; in a state rising, so that parts are in order."""
    if plan.state:
        return running * STATE_ID_STEP + plan.seed % STATE_ID_STEP
    return (running + plan.seed % 10_007) * ID_STEP % 10**10


def level_of(grade: Array) -> Array:
    """Level of the school that a grade goes to."""
    return np.where(grade <= 5, ELEMENTARY, np.where(grade <= 8, MIDDLE, HIGH))


def students_table(world: World, block: Block) -> pl.DataFrame:
    """The table `students`: made-up names, birth dates that fit the grade."""
    rng = world.plan.generator(Stream.ROSTER, block.key.district, block.key.number, 1)
    age = block.grade + 5 + (rng.random(block.size) < 0.03)
    born = world.plan.school_years[0] + block.first_year - 1 - age
    september = (born - 1 - 1970).astype("datetime64[Y]").astype("datetime64[D]") + np.timedelta64(243, "D")
    return pl.DataFrame(
        {
            "student_id": block.student_ids,
            "first_name": _pick(FIRST_NAMES, rng.random(block.size)),
            "last_name": _pick(LAST_NAMES, rng.random(block.size)),
            "birth_date": september + rng.integers(0, 365, block.size).astype("timedelta64[D]"),
        }
    )


def _pick(words: tuple[str, ...], draw: Array) -> pl.Series:
    return pl.Series(words).gather((draw * len(words)).astype(np.int64))


def demographics_table(world: World, block: Block) -> pl.DataFrame:
    """The table `demographics`; shares near Washington's, tied to outcomes only through poverty."""
    rng = world.plan.generator(Stream.ROSTER, block.key.district, block.key.number, 2)
    size, poor = block.size, block.low_income
    race = np.where(poor, _choice(RACE_LOW_INCOME, rng, size), _choice(RACE_OTHERS, rng, size))
    english = np.where(np.isin(race, (1, 2)), _choice(LEARNER_MORE, rng, size), _choice(LEARNER_FEWER, rng, size))
    return pl.DataFrame(
        {
            "student_id": block.student_ids,
            "gender": pl.Series(GENDERS).gather(_choice(GENDER_SHARES, rng, size)),
            "race_ethnicity": pl.Series(RACES).gather(race),
            "english_learner": pl.Series(LEARNERS).gather(english),
            "disability": rng.random(size) < np.where(poor, 0.17, 0.115),
            "low_income": poor,
            "homeless": rng.random(size) < np.where(poor, 0.075, 0.004),
            "foster": rng.random(size) < np.where(poor, 0.012, 0.002),
        }
    )


GENDERS, GENDER_SHARES = ("M", "F", "X"), (0.513, 0.481, 0.006)
RACES = ("White", "Hispanic", "Asian", "Two or more", "Black", "American Indian", "Pacific Islander")
RACE_LOW_INCOME = (0.42, 0.36, 0.06, 0.07, 0.06, 0.018, 0.012)
RACE_OTHERS = (0.65, 0.135, 0.09, 0.08, 0.03, 0.008, 0.007)
LEARNERS = ("never", "current", "former", "newcomer")
LEARNER_MORE, LEARNER_FEWER = (0.52, 0.26, 0.18, 0.04), (0.945, 0.03, 0.018, 0.007)


def _choice(shares: tuple[float, ...], rng: np.random.Generator, size: int) -> Array:
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(size), side="right")
