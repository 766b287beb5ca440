"""What is measured between two nights: days, records, values, risks, flags, students, rejections; school by school."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, cast

import numpy as np
import polars as pl

from cis_ews.evaluation.outcomes import Vector
from cis_ews.evaluation.shift import binned, chance_index, jensen_shannon, poisson_distance, population_stability_index
from cis_ews.storage.runs import Run

FEWEST_STUDENTS = 10
"""Of fewer students of a school nothing is measured: chance alone moves them."""
FEWEST_MOVED = 5
"""A change of fewer students than this is never told, whatever share of a small school they are."""
TIMES = 3.0
_USUALLY = 0.9
"""A school is usually late by no more than on nine in ten of its nights."""
DAYS = "days_enrolled_ytd"
COUNTS = (
    "days_excused_ytd",
    "days_unexcused_ytd",
    "tardies_ytd",
    "incidents_minor_ytd",
    "incidents_major_ytd",
    "suspensions_ytd",
)
"""Indicators that count the records of a year: what is new in a week is compared with the school's own pace."""
VALUES = (
    "absence_rate_ytd",
    "absence_rate_last_20",
    "percent_average_latest_term",
    "gpa_latest_term",
    "failing_courses",
)
EVERY_SCHOOL = ""
_KEY = "student_id"
_SCHEMA = {
    "code": pl.String,
    "school_id": pl.String,
    "feature": pl.String,
    "value": pl.Float64,
    "then": pl.Float64,
    "now": pl.Float64,
    "distance": pl.Float64,
    "matters": pl.Boolean,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NightFacts:
    """What of a night is compared.

    `students`: one row each: `student_id`, `school_id`, `tier`, `risk`, and the indicators above. `school_days`:
    school -> the school days of the year, `held` and `reported` of them; empty of a run that does not say. `rejected`:
    table -> the rejected share of its rows. `inputs`: the hashes of its files.
    """

    as_of: date
    school_year: int
    students: pl.DataFrame = field(repr=False)
    school_days: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    rejected: Mapping[str, float] = field(default_factory=dict[str, float])
    inputs: frozenset[str] = frozenset()

    @classmethod
    def of(cls, run: Run) -> NightFacts:
        """The facts of a stored run. Raises RunCompactedError where its indicators are not kept."""
        wanted = [_KEY, "school_year", DAYS, *COUNTS, *VALUES]
        indicators = run.table("indicators", columns=wanted)
        scores = run.table("scores", columns=[_KEY, "school_id", "tier", "risk"])
        coverage = run.statement("coverage")
        read: Mapping[str, int] = coverage.get("rows_read", {})
        rejections = run.table("rejections", columns=["table", "file", "row_number"]).unique()
        counts = dict(rejections.group_by("table").len().iter_rows())
        return cls(
            as_of=run.as_of,
            school_year=cast("int", indicators["school_year"].max()),
            students=scores.join(indicators.drop("school_year"), on=_KEY),
            school_days=coverage.get("school_days", {}),
            rejected={table: counts.get(table, 0) / rows for table, rows in read.items() if rows},
            inputs=frozenset(str(file["sha256"]) for file in run.manifest["inputs"]),
        )


def measured(before: NightFacts, now: NightFacts, *, since: Sequence[NightFacts] = ()) -> pl.DataFrame:
    """Every measure between two nights: code, school (empty: the whole extract), feature, value, then, now, distance.

    `since`: all nights before the later one, which say how late each school reports as a rule. `matters`: false where a
    change is too small to be told, however unusual it is.
    """
    both = before.students.join(now.students, on=[_KEY, "school_id"], suffix="_now")
    rows = [
        *_unreported(both, (before, *since), now),
        *_days_held(both, before, now),
        *_counts(both),
        *_values(before, now),
        *_missing(both),
        *_flags(before, now),
        *_students(before, now),
        *_rejected(before, now),
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


class _Row(NamedTuple):
    code: str
    school_id: str
    feature: str
    value: float
    then: float
    now: float
    distance: float | None = None
    matters: bool = True


def _enough() -> pl.Expr:
    """The rows of schools with enough students."""
    return pl.len().over("school_id") >= FEWEST_STUDENTS


def _unreported(both: pl.DataFrame, earlier: Sequence[NightFacts], now: NightFacts) -> Iterator[_Row]:
    """The school days that a school has not reported, beyond what is usual of it and of the other schools tonight.

    A school that is a week late every week is late by as much as ever; and a holiday has no school day to report.
    """
    excess = dict[str, tuple[int, int]]()
    for school in _measured_schools(both):
        late = [days for each in earlier if (days := _late(each, school)) is not None]
        tonight = _late(now, school)
        if late and tonight is not None:
            excess[school] = int(np.quantile(late, _USUALLY, method="higher")), tonight
    for school, (usual, tonight) in excess.items():
        others = [late - usually for each, (usually, late) in excess.items() if each != school]
        value = tonight - usual - max(float(np.median(others)) if others else 0.0, 0.0)
        yield _Row("EWS001", school, DAYS, value, usual, tonight)


def _late(night: NightFacts, school: str) -> int | None:
    days = night.school_days.get(school)
    return None if days is None else days["held"] - days["reported"]


def _measured_schools(both: pl.DataFrame) -> list[str]:
    return both.filter(_enough())["school_id"].unique().sort().to_list()


def _days_held(both: pl.DataFrame, before: NightFacts, now: NightFacts) -> Iterator[_Row]:
    """The school days that each school's calendar has had since, beside those of the other schools.

    More of them matter where they look like a holiday: they are reported, and without the records that the school's
    days bring. Calendars of schools may differ; those of days that are not reported yet cannot be told from a holiday.
    """
    moved = dict[str, dict[str, int]]()
    for school in _measured_schools(both):
        if school in before.school_days and school in now.school_days:
            then, tonight = before.school_days[school], now.school_days[school]
            moved[school] = {kind: tonight[kind] - then[kind] for kind in ("held", "reported")}
    for school, days in moved.items():
        others = [each["held"] for name, each in moved.items() if name != school]
        if others:
            usual = float(np.median(others))
            quiet = days["reported"] < days["held"] or _is_quiet(both, school, of_days=days["held"], beside=usual)
            yield _Row("EWS002", school, DAYS, days["held"] - usual, usual, days["held"], matters=quiet)


def _is_quiet(both: pl.DataFrame, school: str, *, of_days: int, beside: float) -> bool:
    """Whether a school's new records are nearer to those of the other schools' days than to those of its own."""
    rows = both.filter(pl.col("school_id") == school)
    then, new = (int(sum(rows[f"{name}{of}"].sum() for name in COUNTS)) for of in ("", "_now"))
    days, days_now = int(rows[DAYS].sum()), int(rows[f"{DAYS}_now"].sum())
    expected = then * (days_now - days) / max(days, 1)
    return new - then <= expected * (of_days + beside) / max(2 * of_days, 1)


def _counts(both: pl.DataFrame) -> Iterator[_Row]:
    """The new records of students who stayed at a school, beside its pace of the year so far."""
    sums = (
        both.filter(_enough())
        .group_by("school_id")
        .agg(pl.col(DAYS, f"{DAYS}_now", *COUNTS, *(f"{name}_now" for name in COUNTS)).sum().cast(pl.Float64))
        .sort("school_id")
    )
    for school in sums.iter_rows(named=True):
        days = school[f"{DAYS}_now"] - school[DAYS]
        for name in COUNTS:
            expected = school[name] * days / max(school[DAYS], 1.0)
            new = school[f"{name}_now"] - school[name]
            distance = poisson_distance(new, expected)
            few, many = new * TIMES < expected, new > TIMES * expected
            yield _Row("EWS003", school["school_id"], name, -distance, then=expected, now=new, matters=few)
            yield _Row("EWS004", school["school_id"], name, distance, then=expected, now=new, matters=many)


def _values(before: NightFacts, now: NightFacts) -> Iterator[_Row]:
    """How far the known values of each school have moved."""
    then, tonight = (_by_school(each.students) for each in (before, now))
    for school in sorted(then.keys() & tonight.keys()):
        for code, names in (("EWS005", VALUES), ("EWS007", ("risk",))):
            for name in names:
                known = [_known(frame[school], name) for frame in (then, tonight)]
                if min(each.size for each in known) >= FEWEST_STUDENTS:
                    shares = binned(*known)
                    psi, distance = population_stability_index(*shares), jensen_shannon(*shares)
                    then_mean, now_mean = (float(each.mean()) for each in known)
                    yield _Row(
                        code,
                        school,
                        name,
                        psi,
                        then=then_mean,
                        now=now_mean,
                        distance=distance,
                        matters=psi >= chance_index(*(each.size for each in known)),
                    )


def _by_school(students: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(school): rows for (school,), rows in students.group_by("school_id")}


def _known(rows: pl.DataFrame, name: str) -> Vector:
    return rows[name].drop_nulls().cast(pl.Float64).to_numpy()


def _missing(both: pl.DataFrame) -> Iterator[_Row]:
    """The share of a school's students without a value; that values come in, at the end of a term, is no fault."""
    names = [*VALUES, "risk"]
    shares = (
        both.filter(_enough())
        .group_by("school_id")
        .agg(pl.len().alias("students"), pl.col(*names, *(f"{name}_now" for name in names)).is_null().mean())
        .sort("school_id")
    )
    for school in shares.iter_rows(named=True):
        for name in names:
            then, tonight = school[name], school[f"{name}_now"]
            many = (tonight - then) * school["students"] >= FEWEST_MOVED
            yield _Row("EWS006", school["school_id"], name, tonight - then, then=then, now=tonight, matters=many)


def _flags(before: NightFacts, now: NightFacts) -> Iterator[_Row]:
    then, tonight = (
        each.students.filter(pl.col("tier").is_not_null() & _enough())
        .group_by("school_id")
        .agg(share=(pl.col("tier") > 1).mean(), students=pl.len())
        for each in (before, now)
    )
    for school, share, _, share_now, students in then.join(tonight, on="school_id").sort("school_id").iter_rows():
        change = abs(share_now - share)
        many = change * students >= FEWEST_MOVED
        yield _Row("EWS008", school, "flagged", change, then=share, now=share_now, matters=many)


def _students(before: NightFacts, now: NightFacts) -> Iterator[_Row]:
    then, tonight = (each.students.group_by("school_id").len() for each in (before, now))
    sizes = then.join(tonight, on="school_id", how="full", coalesce=True).fill_null(0).sort("school_id")
    for school, count, count_now in sizes.iter_rows():
        if max(count, count_now) >= FEWEST_STUDENTS:
            change = abs(count_now - count) / max(count, 1)
            many = abs(count_now - count) >= FEWEST_MOVED
            yield _Row("EWS009", school, "students", change, then=float(count), now=float(count_now), matters=many)


def _rejected(before: NightFacts, now: NightFacts) -> Iterator[_Row]:
    for table, share in sorted(now.rejected.items()):
        then = before.rejected.get(table, 0.0)
        yield _Row("EWS010", EVERY_SCHOOL, table, share - then, then, share)
