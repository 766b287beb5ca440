"""Behavior: incidents and what the school did about them, in the student's own school days.

An incident belongs to the school year that its school's calendar gives its date. One on a day without school counts
with the student's school day before it (before the first one, with the first). Days of exclusion are days imposed by
actions that started in a window, whether or not they are over. Definitions, units and sources: `catalog`.
"""

from __future__ import annotations

import polars as pl

from cis_ews.calendars import school_year_starts
from cis_ews.enums import DisciplineActionType, Severity
from cis_ews.indicators.windows import DAY_PARTS, DAY_WINDOWS, FIRST_DAYS, EnrolledYear
from cis_ews.schema.school_data import SchoolData

EXPULSIONS = (DisciplineActionType.EXPULSION, DisciplineActionType.EMERGENCY_EXPULSION)
SUSPENSIONS = (
    DisciplineActionType.SHORT_TERM_SUSPENSION,
    DisciplineActionType.LONG_TERM_SUSPENSION,
    *EXPULSIONS,
)
NULL_WITHOUT_INCIDENT = {"days_since_last_incident"}
LAST_YEAR = {"incidents_last_year", "suspensions_last_year"}


def behavior_indicators(
    school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Every behavior indicator of the catalog, one row a student of the roster, keyed by `student`."""
    incidents = _by_year(school_data, this_year)
    actions = _actions(school_data, this_year)
    enrolled = this_year.elapsed.totals().lazy()
    parts = [
        _incident_sums(_placed(incidents.filter("is_this_year"), this_year)),
        _action_sums(_placed(actions.filter("is_this_year"), this_year)),
        _last_year(incidents, actions, last_year),
    ]
    joined = roster.lazy().select("student").join(enrolled, on="student", how="left")
    for part in parts:
        joined = joined.join(part, on="student", how="left")
    return _filled(joined).collect()


def _by_year(school_data: SchoolData, year: EnrolledYear) -> pl.LazyFrame:
    """Incidents up to the as-of date with the school year they belong to: `is_this_year`, `is_last_year`."""
    known = school_data.incidents.lazy().filter(pl.col("date") <= year.as_of)
    return _with_year(known, school_data, school_year=year.school_year)


def _actions(school_data: SchoolData, year: EnrolledYear) -> pl.LazyFrame:
    """Actions that have started, dated by their start, with the school of their incident."""
    known = school_data.incidents.lazy().filter(pl.col("date") <= year.as_of)
    schools = known.select("incident_id", "student_id", "school_id")
    started = school_data.discipline_actions.lazy().filter(pl.col("start_date") <= year.as_of)
    dated = started.rename({"start_date": "date"}).join(schools, on=["incident_id", "student_id"])
    parts = (pl.col("days") * DAY_PARTS).round().cast(pl.Int64)
    return _with_year(dated.with_columns(parts=parts), school_data, school_year=year.school_year)


def _with_year(rows: pl.LazyFrame, school_data: SchoolData, *, school_year: int) -> pl.LazyFrame:
    starts = school_year_starts(school_data.calendar_days, school_year).lazy()
    earlier = school_year_starts(school_data.calendar_days, school_year - 1).lazy().rename({"starts": "earlier"})
    dated = rows.join(starts, on="school_id", how="left").join(earlier, on="school_id", how="left")
    is_this_year = (pl.col("date") >= pl.col("starts")).fill_null(value=False)
    return dated.with_columns(
        is_this_year=is_this_year,
        is_last_year=~is_this_year & (pl.col("date") >= pl.col("earlier")).fill_null(value=False),
    )


def _placed(rows: pl.LazyFrame, year: EnrolledYear) -> pl.LazyFrame:
    """Rows with their place among the student's days: `number` (1 at least) and `ago` (0: the last day)."""
    number = pl.col("number").clip(1)
    return year.elapsed.number(rows).with_columns(number=number, ago=pl.col("total") - number)


def _inside(window: str) -> pl.Expr:
    if window == "ytd":
        return pl.lit(value=True)
    if window == f"first_{FIRST_DAYS}":
        return pl.col("number") <= FIRST_DAYS
    return pl.col("ago") < int(window.removeprefix("last_"))


def _incident_sums(incidents: pl.LazyFrame) -> pl.LazyFrame:
    counts = {
        f"incidents_{severity}_{window}": ((pl.col("severity") == severity) & _inside(window)).sum()
        for severity in Severity
        for window in DAY_WINDOWS
    }
    return incidents.group_by("student").agg(
        **counts,
        incidents_ytd=pl.len(),
        days_since_last_incident=pl.col("ago").min().clip(0),
        distinct_behaviors_ytd=pl.col("behavior").drop_nulls().n_unique(),
        days_with_incident=pl.col("number").n_unique(),
    )


def _action_sums(actions: pl.LazyFrame) -> pl.LazyFrame:
    days = {
        f"exclusion_days_{window}": pl.when(_inside(window)).then(pl.col("parts")).otherwise(0).sum() / DAY_PARTS
        for window in DAY_WINDOWS
    }
    kind = pl.col("action")
    return actions.group_by("student").agg(
        **days,
        suspensions_ytd=kind.is_in(SUSPENSIONS).sum(),
        in_school_suspensions_ytd=(kind == DisciplineActionType.IN_SCHOOL_SUSPENSION).sum(),
        classroom_exclusions_ytd=(kind == DisciplineActionType.CLASSROOM_EXCLUSION).sum(),
        expulsions_ytd=kind.is_in(EXPULSIONS).sum(),
        out_of_school_days_ytd=pl.when(kind.is_in(SUSPENSIONS)).then(pl.col("parts")).otherwise(0).sum() / DAY_PARTS,
    )


def _last_year(incidents: pl.LazyFrame, actions: pl.LazyFrame, year: EnrolledYear) -> pl.LazyFrame:
    """Incidents and suspensions of last year for those who were enrolled then."""
    students = year.elapsed.segments.lazy().select("student", "student_id").unique()
    counted = incidents.filter("is_last_year").group_by("student_id").agg(incidents_last_year=pl.len())
    suspended = actions.filter("is_last_year", pl.col("action").is_in(SUSPENSIONS))
    suspensions = suspended.group_by("student_id").agg(suspensions_last_year=pl.len())
    joined = students.join(counted, on="student_id", how="left").join(suspensions, on="student_id", how="left")
    return joined.drop("student_id").with_columns(pl.col(sorted(LAST_YEAR)).fill_null(0))


def _filled(joined: pl.LazyFrame) -> pl.LazyFrame:
    """No incident is zero incidents; the share needs a day enrolled."""
    counts = [name for name in joined.collect_schema().names() if name not in NULL_WITHOUT_INCIDENT | LAST_YEAR]
    share = pl.when(pl.col("total") > 0).then(pl.col("days_with_incident") / pl.col("total"))
    return joined.with_columns(pl.col(counts).fill_null(0)).with_columns(share_of_days_with_incident_ytd=share)
