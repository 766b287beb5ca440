"""Behavior: incidents and what the school did about them, in the student's own school days.

An incident belongs to the school year that its school's calendar gives its date. One on a day without school counts
with the student's school day before it (before the first one, with the first). Days of exclusion are days imposed by
actions that started in a window, whether or not they are over. Definitions, units and sources: `catalog`.
"""

from __future__ import annotations

import polars as pl

from cis_ews.calendars import school_year_starts
from cis_ews.enums import DisciplineActionType, Domain, Severity
from cis_ews.indicators.coverage import covers_actions, covers_years_before
from cis_ews.indicators.roster import side_by_side
from cis_ews.indicators.windows import DAY_PARTS, DAY_WINDOWS, FIRST_DAYS, EnrolledYear
from cis_ews.schema.school_data import SchoolData

EXPULSIONS = (DisciplineActionType.EXPULSION, DisciplineActionType.EMERGENCY_EXPULSION)
SUSPENSIONS = (
    DisciplineActionType.SHORT_TERM_SUSPENSION,
    DisciplineActionType.LONG_TERM_SUSPENSION,
    *EXPULSIONS,
)
STAYS_NULL = ("days_since_last_incident", "incidents_last_year", "suspensions_last_year", "distinct_behaviors_ytd")


def behavior_indicators(
    school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Every behavior indicator of the catalog, one row a student in the order of the roster.

    Of a source that has incidents and no disciplinary actions, what is counted in actions is left out.
    """
    incidents = _by_year(school_data, this_year)
    parts = [_incident_sums(_placed(incidents.filter("is_this_year"), this_year))]
    last_years = {"incidents_last_year": incidents}
    if covers_actions(school_data):
        actions = _actions(school_data, this_year)
        parts.append(_action_sums(_placed(actions.filter("is_this_year"), this_year)))
        last_years["suspensions_last_year"] = actions.filter(pl.col("action").is_in(SUSPENSIONS))
    if covers_years_before(school_data, Domain.BEHAVIOR, school_year=this_year.school_year):
        parts.extend(_last_year(rows, name, last_year) for name, rows in last_years.items())
    return _filled(side_by_side(roster, [this_year.elapsed.totals(), *parts]))


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
    return year.elapsed.number(rows).lazy().with_columns(number=number, ago=pl.col("total") - number)


def _inside(window: str) -> pl.Expr:
    if window == "ytd":
        return pl.lit(value=True)
    if window == f"first_{FIRST_DAYS}":
        return pl.col("number") <= FIRST_DAYS
    return pl.col("ago") < int(window.removeprefix("last_"))


def _incident_sums(incidents: pl.LazyFrame) -> pl.LazyFrame:
    counts = {
        f"incidents_{severity}_{window}": pl.col(severity).filter(_inside(window)).sum()
        for severity in Severity
        for window in DAY_WINDOWS
    }
    severities = {severity.value: pl.col("severity") == severity for severity in Severity}
    kinds = pl.col("behavior").drop_nulls()
    return (
        incidents.with_columns(**severities)
        .group_by("student")
        .agg(
            **counts,
            incidents_ytd=pl.len(),
            days_since_last_incident=pl.col("ago").min().clip(0),
            distinct_behaviors_ytd=pl.when(kinds.len() > 0).then(kinds.n_unique()),
            days_with_incident=pl.col("number").n_unique(),
        )
    )


def _action_sums(actions: pl.LazyFrame) -> pl.LazyFrame:
    parts, kind = pl.col("parts"), pl.col("action")
    days = {f"exclusion_days_{window}": parts.filter(_inside(window)).sum() / DAY_PARTS for window in DAY_WINDOWS}
    return actions.group_by("student").agg(
        **days,
        suspensions_ytd=kind.is_in(SUSPENSIONS).sum(),
        in_school_suspensions_ytd=(kind == DisciplineActionType.IN_SCHOOL_SUSPENSION).sum(),
        classroom_exclusions_ytd=(kind == DisciplineActionType.CLASSROOM_EXCLUSION).sum(),
        expulsions_ytd=kind.is_in(EXPULSIONS).sum(),
        out_of_school_days_ytd=parts.filter(kind.is_in(SUSPENSIONS)).sum() / DAY_PARTS,
    )


def _last_year(rows: pl.LazyFrame, name: str, year: EnrolledYear) -> pl.LazyFrame:
    """How many of the rows are last year's, for those who were enrolled then."""
    students = year.elapsed.segments.lazy().select("student", "student_id").unique()
    counted = rows.filter("is_last_year").group_by("student_id").agg(pl.len().alias(name))
    return students.join(counted, on="student_id", how="left").select("student", pl.col(name).fill_null(0))


def _filled(joined: pl.DataFrame) -> pl.DataFrame:
    """No incident is zero incidents of no kind; the kinds of some need their names, the share a day enrolled."""
    kinds = pl.when(pl.col("incidents_ytd") > 0).then("distinct_behaviors_ytd").otherwise(0)
    share = pl.when(pl.col("total") > 0).then(pl.col("days_with_incident") / pl.col("total"))
    counted = joined.with_columns(pl.exclude(STAYS_NULL).fill_null(0), distinct_behaviors_ytd=kinds)
    return counted.with_columns(share_of_days_with_incident_ytd=share)
