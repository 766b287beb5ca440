"""Districts and schools: how many, how large, how they differ; and what each of them reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from cis_ews.enums import SchoolLevel
from cis_ews.synthetic.calendar import TERM_LETTERS, YearCalendar, make_calendar
from cis_ews.synthetic.names import PLACE_FIRST, PLACE_SECOND
from cis_ews.synthetic.plan import MINIMUM_STUDENTS, Array, Plan, Stream

ELEMENTARY, MIDDLE, HIGH, SKILLS = range(4)
LEVELS = (SchoolLevel.ELEMENTARY, SchoolLevel.MIDDLE, SchoolLevel.HIGH, SchoolLevel.OTHER)
KINDS = ("Elementary School", "Middle School", "High School", "Skills Center")
SHARE_OF_STUDENTS = (6 / 13, 3 / 13, 4 / 13)
SCHOOL_SIZES = (330, 500, 800)
STATE_SCHOOL_SIZES = (385, 580, 930)  # small districts have schools of their own, larger ones make up for them
SKILLS_CENTER_FROM = 1500
STOPPED_REPORTING = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that students share. Schools are numbered across districts; arrays hold one value a school.

    `school_rank`: the place of each school's id in the order of all ids, which is `schools_by_rank`.
    `first_school`, `school_count`: districts x 4 levels. `poverty`, `attendance`, `behavior`: effects of the school.
    `terms`: grading terms a year. `dates_grades`: whether the school records the day on which a grade was given.
    `reported_through`: the last day of which absences are entered.
    """

    plan: Plan
    calendars: tuple[YearCalendar, ...]
    district_ids: Array
    district_students: Array
    school_ids: Array
    school_rank: Array
    schools_by_rank: pl.Enum
    names: Array
    district: Array
    level: Array
    first_school: Array
    school_count: Array
    poverty: Array
    attendance: Array
    behavior: Array
    terms: Array
    dates_grades: Array
    reported_through: Array

    def school_of(self, district: Array, level: Array, zone: Array) -> Array:
        """The school of a level that serves a part of a district; `zone` runs from 0 to 1 over its schools."""
        count = self.school_count[district, level]
        return self.first_school[district, level] + np.minimum((zone * count).astype(np.int64), count - 1)

    def schools_table(self) -> pl.DataFrame:
        """The table `schools`."""
        return pl.DataFrame(
            {
                "school_id": self.school_ids,
                "district_id": self.district_ids[self.district],
                "name": self.names,
                "level": np.array(LEVELS, dtype=object)[self.level],
            },
            schema_overrides={"school_id": pl.String, "district_id": pl.String, "name": pl.String, "level": pl.String},
        )

    def reporting_table(self) -> pl.DataFrame:
        """The table `reporting`."""
        return pl.DataFrame(
            {"school_id": self.school_ids, "reported_through": self.reported_through},
            schema_overrides={"school_id": pl.String, "reported_through": pl.Date},
        )

    def calendar_table(self, schools: Array) -> pl.DataFrame:
        """The table `calendar_days` of some schools: every weekday from a school's first to its last day."""
        return pl.concat([self._school_calendar(int(school), year) for school in schools for year in self.calendars])

    def _school_calendar(self, school: int, year: YearCalendar) -> pl.DataFrame:
        district, terms = int(self.district[school]), int(self.terms[school])
        listed = slice(int(year.first[district]), int(year.last[district]) + 1)
        labels = np.array([f"{TERM_LETTERS[terms]}{index + 1}" for index in range(terms)], dtype=object)
        return pl.DataFrame(
            {
                "date": year.days[listed],
                "is_instructional": year.instructional[district, listed],
                "school_year": np.full(listed.stop - listed.start, year.school_year, dtype=np.int16),
                "term": labels[year.term_of_days(terms)[district, listed]],
            },
            schema_overrides={"term": pl.String},
        ).select(pl.lit(self.school_ids[school]).alias("school_id"), pl.all())


def make_world(plan: Plan) -> World:
    """Districts, schools and calendars of a plan."""
    rng = plan.generator(Stream.DISTRICTS)
    calendars = tuple(make_calendar(plan, year) for year in plan.school_years)
    sizes = _district_sizes(plan, rng)
    counts = _school_counts(sizes, STATE_SCHOOL_SIZES if plan.state else SCHOOL_SIZES)
    level = np.concatenate([np.repeat(np.arange(4), row) for row in counts])
    district = np.repeat(np.arange(plan.districts), counts.sum(axis=1))
    starts = np.concatenate([[0], np.cumsum(counts.ravel())[:-1]]).reshape(counts.shape)
    schools = level.size
    district_ids = _codes(plan.districts, 5, rng)
    school_ids = _codes(schools, 4 if schools < 5000 else 6, rng)
    return World(
        plan=plan,
        calendars=calendars,
        district_ids=district_ids,
        district_students=sizes,
        school_ids=school_ids,
        school_rank=np.argsort(np.argsort(school_ids)),
        schools_by_rank=pl.Enum(np.sort(school_ids)),
        names=_school_names(level, rng),
        district=district,
        level=level,
        first_school=starts,
        school_count=counts,
        poverty=np.clip(0.45 + _effects(rng, counts, spread=(0.14, 0.12)), 0.05, 0.95),
        attendance=_effects(rng, counts, spread=(0.06, 0.16)),
        behavior=_effects(rng, counts, spread=(0.12, 0.35)),
        terms=_terms(plan, (district, level), rng),
        dates_grades=rng.random(schools) > 0.15,
        reported_through=_reported_through(plan, calendars[-1], district, rng=rng),
    )


def _district_sizes(plan: Plan, rng: np.random.Generator) -> Array:
    """Students a district: a few large ones, many small; the first is of middling size."""
    weights = rng.lognormal(0.0, 1.1, plan.districts)
    weights[0] = 1.0
    spare = plan.students - MINIMUM_STUDENTS * plan.districts
    sizes = MINIMUM_STUDENTS + np.floor(spare * weights / weights.sum()).astype(np.int64)
    sizes[0] += plan.students - sizes.sum()
    return sizes


def _school_counts(sizes: Array, school_sizes: tuple[int, ...]) -> Array:
    shares = sizes[:, None] * np.array(SHARE_OF_STUDENTS) / np.array(school_sizes)
    schools = np.maximum(1, np.rint(shares)).astype(np.int64)
    return np.column_stack([schools, (sizes >= SKILLS_CENTER_FROM).astype(np.int64)])


def _effects(rng: np.random.Generator, counts: Array, *, spread: tuple[float, float]) -> Array:
    """How schools differ around their district, and districts around the state; the first district is in the middle."""
    of_districts = rng.normal(0, spread[0], len(counts))
    of_districts[0] = 0
    of_schools: Array = rng.normal(0, spread[1], int(counts.sum()))
    district = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    students = (np.array([*SHARE_OF_STUDENTS, 0]) / np.maximum(counts, 1)).repeat(counts.ravel())
    means = np.bincount(district, weights=students * of_schools)
    return of_schools + (of_districts - means)[district]


def _codes(count: int, width: int, rng: np.random.Generator) -> Array:
    """Different codes of one width, some with leading zeros."""
    return np.array([f"{code:0{width}d}" for code in rng.choice(10**width, count, replace=False)], dtype=object)


def _school_names(level: Array, rng: np.random.Generator) -> Array:
    first = rng.integers(0, len(PLACE_FIRST), level.size)
    second = rng.integers(0, len(PLACE_SECOND), level.size)
    words = zip(first, second, level, strict=True)
    return np.array([f"{PLACE_FIRST[a]} {PLACE_SECOND[b]} {KINDS[kind]}" for a, b, kind in words], dtype=object)


def _terms(plan: Plan, place: tuple[Array, Array], rng: np.random.Generator) -> Array:
    """Trimesters in elementary schools, semesters or trimesters in middle, semesters or quarters in high schools."""
    district, level = place
    middle = np.where(rng.random(plan.districts) < 0.3, 3, 2)
    high = np.where(rng.random(plan.districts) < 0.4, 4, 2)
    middle[0], high[0] = 2, 4
    by_level = np.stack([np.full(plan.districts, 3), middle, high, high], axis=1)
    return by_level[district, level]


def _reported_through(plan: Plan, year: YearCalendar, district: Array, *, rng: np.random.Generator) -> Array:
    """Most schools have entered everything, some are days behind, one of the first district stopped two weeks ago."""
    last = year.days[year.last[district]]
    if plan.through is not None:
        last = np.minimum(last, np.datetime64(plan.through))
    behind = np.where(rng.random(district.size) < 0.2, rng.integers(1, 4, district.size), 0)
    behind[(rng.random(district.size) < 0.01) & (district > 0)] = STOPPED_REPORTING.days
    behind[1 if (district == 0).sum() > 3 else 0] = STOPPED_REPORTING.days
    return last - behind.astype("timedelta64[D]")


def day_of(value: np.datetime64) -> date:
    """A Python date from a numpy day."""
    return value.astype("datetime64[D]").item()
