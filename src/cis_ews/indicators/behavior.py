"""Behavior: incidents and what the school did about them, in the student's own school days.

An incident belongs to the school year that its school's calendar gives its date. One on a day without school counts
with the student's school day before it (before the first one, with the first). Days of exclusion are days imposed by
actions that started in a window, whether or not they are over; where one of them is of unknown length, so is their sum.
Definitions, units and sources: `catalog`.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import polars.selectors as cs

from cis_ews.compiling import array_of, read_only
from cis_ews.enums import DisciplineActionType, Domain, Severity
from cis_ews.indicators.behavior_kernel import Incidents, count
from cis_ews.indicators.coverage import covers_actions, covers_before
from cis_ews.indicators.roster import of_roster, side_by_side
from cis_ews.indicators.windows import DAY_PARTS, DAY_WINDOWS, FIRST_DAYS, DatedRows, EnrolledYear
from cis_ews.schema.school_data import SchoolData
from cis_ews.texts import codes_of, places_of

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
    incidents = _of_years(_known(school_data, this_year), roster, this_year=this_year, last_year=last_year)
    sums = _incident_sums(_placed(incidents, this_year), students=roster.height)
    last_years = {"incidents_last_year": incidents}
    if covers_actions(school_data):
        actions = _of_years(_actions(school_data, this_year), roster, this_year=this_year, last_year=last_year)
        sums = sums.hstack(side_by_side(roster, [_action_sums(_placed(actions, this_year).lazy())]).drop("student"))
        last_years["suspensions_last_year"] = actions.filter(pl.col("action").is_in(SUSPENSIONS))
    counted = sums.with_columns(total=this_year.elapsed.totals())
    if covers_before(school_data, Domain.BEHAVIOR, this_year):
        counted = counted.hstack([_last_year(rows, name, last_year) for name, rows in last_years.items()])
    return _filled(counted)


def _known(school_data: SchoolData, year: EnrolledYear) -> pl.LazyFrame:
    return school_data.incidents.lazy().filter(pl.col("date") <= year.as_of)


def _actions(school_data: SchoolData, year: EnrolledYear) -> pl.LazyFrame:
    """Actions that have started, dated by their start, with the school of their incident."""
    schools = _known(school_data, year).select("incident_id", "student_id", "school_id")
    started = school_data.discipline_actions.lazy().filter(pl.col("start_date") <= year.as_of)
    dated = started.rename({"start_date": "date"}).join(schools, on=["incident_id", "student_id"])
    return dated.with_columns(parts=(pl.col("days") * DAY_PARTS).round().cast(pl.Int64))


def _of_years(
    rows: pl.LazyFrame, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Rows of the roster's students with the school year they belong to: `is_this_year`, `is_last_year`."""
    dated = rows.collect()
    starts, earlier = (_starts(dated["school_id"], year) for year in (this_year, last_year))
    is_this_year = (dated["date"] >= starts).fill_null(value=False)
    is_last_year = ~is_this_year & (dated["date"] >= earlier).fill_null(value=False)
    columns = dated.drop("incident_id", "student_id", "school_id").to_dict()
    return of_roster(dated["student_id"], roster, **columns, is_this_year=is_this_year, is_last_year=is_last_year)


def _starts(school_ids: pl.Series, year: EnrolledYear) -> pl.Series:
    """When the year began at each school, null where its calendar does not say."""
    place = places_of(school_ids, year.starts["school_id"])
    return year.starts["starts"].gather(pl.Series(place).replace(-1, None))


def _placed(rows: pl.DataFrame, year: EnrolledYear) -> pl.DataFrame:
    """This year's rows with their place among the student's days: `number` (1 at least) and `ago` (0: the last day)."""
    of_year = rows.filter("is_this_year")
    student, days = array_of(of_year["student"]), year.elapsed
    number = np.maximum(days.number(DatedRows(student, array_of(of_year["date"]))), 1)
    return of_year.with_columns(number=pl.Series(number), ago=pl.Series(days.total[student] - number))


def _inside(window: str) -> pl.Expr:
    if window == "ytd":
        return pl.lit(value=True)
    if window == f"first_{FIRST_DAYS}":
        return pl.col("number") <= FIRST_DAYS
    return pl.col("ago") < int(window.removeprefix("last_"))


def _incident_sums(incidents: pl.DataFrame, *, students: int) -> pl.DataFrame:
    behavior, _ = codes_of(incidents["behavior"])
    severity = incidents["severity"].to_physical().cast(pl.Int8).fill_null(-1)
    placed = Incidents(
        student=array_of(incidents["student"]),
        number=array_of(incidents["number"]),
        ago=array_of(incidents["ago"]),
        severity=array_of(severity),
        behavior=read_only(behavior),
    )
    counted = count(placed, students=students)
    sums = {
        f"incidents_{severity}_{window}": counted.of_severity[place, number]
        for place, severity in enumerate(Severity)
        for number, window in enumerate(DAY_WINDOWS)
    }
    sums |= {"incidents_ytd": counted.incidents, "days_with_incident": counted.days}
    some, told = pl.Series(counted.incidents > 0), pl.Series(counted.with_kind > 0)
    return pl.DataFrame(sums).with_columns(
        days_since_last_incident=pl.when(some).then(pl.Series(counted.since)),
        distinct_behaviors_ytd=pl.when(told).then(pl.Series(counted.behaviors)),
    )


def _action_sums(actions: pl.LazyFrame) -> pl.LazyFrame:
    kind = pl.col("action")
    days = {f"exclusion_days_{window}": _days_imposed(_inside(window)) for window in DAY_WINDOWS}
    return actions.group_by("student").agg(
        **days,
        suspensions_ytd=kind.is_in(SUSPENSIONS).sum(),
        in_school_suspensions_ytd=(kind == DisciplineActionType.IN_SCHOOL_SUSPENSION).sum(),
        classroom_exclusions_ytd=(kind == DisciplineActionType.CLASSROOM_EXCLUSION).sum(),
        expulsions_ytd=kind.is_in(EXPULSIONS).sum(),
        out_of_school_days_ytd=_days_imposed(kind.is_in(SUSPENSIONS)),
    )


def _days_imposed(of_which: pl.Expr) -> pl.Expr:
    """Days of these actions, not a number where one of them is of unknown length: a student without any has zero."""
    parts = pl.col("parts").filter(of_which)
    return pl.when(parts.null_count() > 0).then(float("nan")).otherwise(parts.sum() / DAY_PARTS)


def _last_year(rows: pl.DataFrame, name: str, year: EnrolledYear) -> pl.Series:
    """How many of the rows are last year's, for those who were enrolled then."""
    counts = np.bincount(rows.filter("is_last_year")["student"], minlength=year.elapsed.total.size)
    enrolled = year.elapsed.totals().is_not_null()
    return pl.select(pl.when(enrolled).then(pl.Series(name, counts)).alias(name)).to_series()


def _filled(joined: pl.DataFrame) -> pl.DataFrame:
    """No incident is zero incidents of no kind; the kinds of some need their names, the share a day enrolled."""
    kinds = pl.when(pl.col("incidents_ytd") > 0).then("distinct_behaviors_ytd").otherwise(0)
    share = pl.when(pl.col("total") > 0).then(pl.col("days_with_incident") / pl.col("total"))
    counted = joined.with_columns(pl.exclude(STAYS_NULL).fill_null(0), distinct_behaviors_ytd=kinds)
    counted = counted.with_columns(cs.float().fill_nan(None))
    return counted.with_columns(share_of_days_with_incident_ytd=share)
