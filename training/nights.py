"""Two nights beside one another: without a new record, and with one absence more.

Whole schools are worked out as a night does it, so that what others in a school do comes with them. In each school a
few students who were there that day are given an absence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from cis_ews.enums import AttendanceStatus, Domain
from cis_ews.evaluation.stability import moved
from cis_ews.indicators import compute_indicators
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.explanations import explain
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.feature_catalog.feature import OthersRate
from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import Estimates, NightModel
from cis_ews.schema.attendance import AttendanceEvents
from cis_ews.schema.school_data import SchoolData
from cis_ews.schema.validation import OWNED
from training.known import known_by

MOST_STUDENTS = 800
ABSENT = 10
"""So many students of each school are given an absence."""
SPEAKS = frozenset(
    feature.name
    for feature in FEATURES
    if feature.domain == Domain.ATTENDANCE
    or (isinstance(feature.value, OthersRate) and feature.value.part in ("absent_parts_ytd", "chronically_absent"))
)
"""Features that an absence may move: of attendance, and of the others' attendance in the school."""
EVERY = 100
"""Reasons in each direction: all that are noticeable, so that none is missing only because another came."""
_OTHER_DOMAINS = (Domain.BEHAVIOR.value, Domain.COURSEWORK.value)
_REASON = ("student_id", "direction", "domain", "indicator", "sentence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nights:
    """`identical`: whether a night without new records gives the same contributions and reasons, bit for bit.
    `measured`: what one absence moved; empty where nobody could be given one."""

    identical: bool
    measured: dict[str, float]


@dataclass(frozen=True, eq=False)
class _Night:
    estimates: Estimates
    reasons: pl.DataFrame

    def same_as(self, other: _Night) -> bool:
        return (
            self.estimates.features.equals(other.estimates.features)
            and self.estimates.contributions.equals(other.estimates.contributions)
            and self.estimates.risk.equals(other.estimates.risk)
            and self.reasons.equals(other.reasons)
        )


def two_nights(school_data: SchoolData, model: RiskModel, as_of: date, *, seed: int) -> Nights:
    """Compare the last day of a school week up to `as_of` with the day after it, which brings no record (with itself,
    where the next day is one of school), and with itself and one absence more."""
    schools = _some_schools(school_data, as_of, seed=seed)
    day = _last_day(school_data, schools, as_of)
    known = known_by(_of_schools(school_data, schools, day), day)
    first = _night(known, model, day)
    return Nights(
        identical=first.same_as(_night(known, model, _day_off(school_data, day) or day)),
        measured=_absences(known, first, model, day=day, seed=seed),
    )


def _some_schools(school_data: SchoolData, as_of: date, *, seed: int) -> pl.Series:
    """Schools drawn by lot, as many as have MOST_STUDENTS together, and one at least."""
    sizes = _enrolled(school_data, as_of).group_by("school_id").len().sort("school_id")
    drawn = sizes.sample(fraction=1.0, shuffle=True, seed=seed)
    before = pl.col("len").cum_sum().shift(1, fill_value=0)
    return drawn.filter((before == 0) | (before < MOST_STUDENTS - pl.col("len") / 2))["school_id"]


def _enrolled(school_data: SchoolData, day: date) -> pl.DataFrame:
    until = pl.col("exit_date").is_null() | (pl.col("exit_date") >= day)
    return school_data.enrollments.filter(until & (pl.col("entry_date") <= day))


def _of_schools(school_data: SchoolData, schools: pl.Series, day: date) -> SchoolData:
    """Everything of the students who are in these schools that day."""
    students = _enrolled(school_data, day).filter(pl.col("school_id").is_in(schools.implode()))["student_id"].unique()
    kept = pl.col("student_id").is_in(students.implode())
    return replace(school_data, **{table: school_data.table(table).filter(kept) for table in OWNED})


def _last_day(school_data: SchoolData, schools: pl.Series, as_of: date) -> date:
    """The last day up to `as_of` on which one of the schools was open and which no school day follows; `as_of` itself
    where there is none."""
    open_days = set(_open_days(school_data, schools))
    ends = [day for day in open_days if day <= as_of and day + timedelta(days=1) not in open_days]
    return max(ends, default=as_of)


def _open_days(school_data: SchoolData, schools: pl.Series) -> list[date]:
    calendar = school_data.calendar_days
    kept = pl.col("is_instructional") & pl.col("school_id").is_in(schools.implode())
    return calendar.filter(kept)["date"].unique().to_list()


def _day_off(school_data: SchoolData, day: date) -> date | None:
    """The next day, where it is none of school, within the school year."""
    following = day + timedelta(days=1)
    calendar = school_data.calendar_days
    is_off = calendar.filter(pl.col("is_instructional"), pl.col("date") == following).is_empty()
    goes_on = not calendar.filter(pl.col("is_instructional"), pl.col("date") > following).is_empty()
    return following if is_off and goes_on else None


def _night(known: SchoolData, model: RiskModel, day: date) -> _Night:
    indicators = compute_indicators(known, day)
    cohort = build_cohort(known, day, indicators=indicators)
    students = cohort.rows_of(indicators).sort("student_id")
    estimates = NightModel.of(model).estimate(students)
    assert estimates is not None  # noqa: S101 - the model is a trained one
    return _Night(estimates, explain(estimates.features, estimates.contributions, students, limit=EVERY))


def _absences(known: SchoolData, first: _Night, model: RiskModel, *, day: date, seed: int) -> dict[str, float]:
    students = _present(known, first, day, seed=seed)
    if students.is_empty():
        return {}
    planted = students.with_columns(
        date=pl.lit(day), status=pl.lit(AttendanceStatus.UNEXCUSED.value), fraction_absent=pl.lit(1.0)
    )
    rows = AttendanceEvents.cast(planted.select(AttendanceEvents.column_names()))
    events = pl.concat([known.attendance_events, rows]).sort(AttendanceEvents.primary_key())
    second = _night(replace(known, attendance_events=AttendanceEvents.cast(events)), model, day)
    absent = first.estimates.contributions["student_id"].is_in(students["student_id"].implode())
    names = list(model.features)
    related = np.array([name in SPEAKS for name in names])
    before, after = (night.estimates.contributions.filter(absent).select(names).to_numpy() for night in (first, second))
    found = moved(before, after, related=related)
    return {
        "students": float(students.height),
        "features_beyond": float(_features_beyond(first, second, [name for name in names if name not in SPEAKS])),
        "related_share": found.related_share,
        "others_most": found.others_most,
        "others_typical": found.others_typical,
        "same_other_reasons": _same_reasons(first, second, students),
    }


def _present(known: SchoolData, night: _Night, day: date, *, seed: int) -> pl.DataFrame:
    """ABSENT students of each school, drawn by lot, who were there that day: `student_id`, `school_id`. A school of
    which nobody says until when it reported counts as a night counts it: as having reported."""
    open_schools = known.calendar_days.filter(pl.col("date") == day, pl.col("is_instructional"))
    unreported = known.reporting.filter(pl.col("reported_through") < day)
    away = known.attendance_events.filter(pl.col("date") == day)
    asked = night.estimates.features.select("student_id")
    there = (
        _enrolled(known, day)
        .select("student_id", "school_id")
        .join(asked, on="student_id", how="semi")
        .join(open_schools, on="school_id", how="semi")
        .join(unreported, on="school_id", how="anti")
        .join(away, on="student_id", how="anti")
        .unique("student_id", keep="first")
        .sort("student_id")
        .sample(fraction=1.0, shuffle=True, seed=seed)
    )
    return there.group_by("school_id", maintain_order=True).head(ABSENT).sort("student_id")


def _features_beyond(first: _Night, second: _Night, names: list[str]) -> int:
    """How many features that an absence has no part in have another value of any student."""
    one, other = (night.estimates.features for night in (first, second))
    return sum(not one[name].equals(other[name]) for name in names)


def _same_reasons(first: _Night, second: _Night, students: pl.DataFrame) -> float:
    """Of the noticeable reasons of behavior and coursework that either night has, the share that both have, word for
    word."""
    of_others = pl.col("domain").cast(pl.String).is_in(_OTHER_DOMAINS)
    asked = pl.col("student_id").is_in(students["student_id"].implode())
    one, other = (night.reasons.filter(of_others & asked).select(_REASON) for night in (first, second))
    both, either = one.join(other, on=_REASON, how="semi").height, pl.concat([one, other]).unique().height
    return both / either if either else 1.0
