"""Attendance: days missed, rates over windows, runs of absence; from exceptions, in one pass over them.

A student-day has one absence: the largest fraction recorded that day, so that a student of two schools is not absent
twice. A tardy is no absence. A day counts as a full day missed where half of it or more was missed (Washington). An
absence on a day that is no school day of the owning school, or after the last day that school has reported, is not
counted. Definitions, units and sources: `catalog`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from cis_ews.calendars import day_number
from cis_ews.compiling import array_of, begins_of, read_only
from cis_ews.enums import AttendanceStatus, DisciplineActionType, Domain
from cis_ews.indicators.attendance_kernel import KINDS, NOTHING, TARDY, Missed, Records, Spans, add_up
from cis_ews.indicators.coverage import covers_actions, covers_before
from cis_ews.indicators.roster import of_roster
from cis_ews.indicators.windows import DAY_PARTS, FIRST_DAYS, LAST_DAYS, MONTHS, DatedRows, EnrolledYear, month_days
from cis_ews.schema.school_data import SchoolData

AWAY_FROM_SCHOOL = (
    DisciplineActionType.SHORT_TERM_SUSPENSION,
    DisciplineActionType.LONG_TERM_SUSPENSION,
    DisciplineActionType.EXPULSION,
    DisciplineActionType.EMERGENCY_EXPULSION,
)
RATE_WINDOWS = ("ytd", f"first_{FIRST_DAYS}", *(f"last_{days}" for days in LAST_DAYS), "last_year")
"""Windows with `days_enrolled_`, `absent_parts_`, `days_absent_` and `absence_rate_`."""


def attendance_indicators(
    school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
) -> pl.DataFrame:
    """Every attendance indicator of the catalog, one row a student in the order of the roster."""
    recorded = _recorded(school_data.attendance_events, roster)
    days = _enrolled(this_year).hstack(month_days(this_year.reported))
    suspended = _suspended(school_data, roster, this_year)
    missed = add_up(_records(recorded, this_year, away=_away(suspended, roster, this_year)))
    is_known = np.bincount(suspended.filter(pl.col("imposed").is_null())["student"], minlength=roster.height) == 0
    covers_last_year = covers_before(school_data, Domain.ATTENDANCE, this_year)
    parts = [
        days,
        _sums(missed, knows_suspensions=pl.Series(is_known & covers_actions(school_data))),
        _last_year(recorded, last_year, is_covered=covers_last_year),
    ]
    return pl.concat(parts, how="horizontal").lazy().pipe(_derived).collect()


def _recorded(events: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """What was recorded of the roster's students: `student`, `date`, `weight` (see `Records`); students in order."""
    status = pl.col("status")
    missed = _parts(pl.col("fraction_absent")) * 2 + (status == AttendanceStatus.EXCUSED).cast(pl.Int32)
    weight = (
        pl.when(status == AttendanceStatus.TARDY)
        .then(TARDY)
        .when(status == AttendanceStatus.PRESENT)
        .then(NOTHING)
        .otherwise(missed)
    )
    return of_roster(events["student_id"], roster, date=events["date"], weight=events.select(weight).to_series())


def _parts(fraction: pl.Expr) -> pl.Expr:
    return (fraction * DAY_PARTS).round().cast(pl.Int32)


def _records(recorded: pl.DataFrame, year: EnrolledYear, *, away: Spans) -> Records:
    """The records with the numbers of their days in a year."""
    calendar, days = year.reported.calendar, year.reported
    rows = DatedRows(array_of(recorded["student"]), array_of(recorded["date"]))
    dates = pl.date_range(calendar.first, calendar.last, eager=True)
    return Records(
        total=days.total,
        begins=begins_of(rows.student, days.total.size),
        number=days.on_days(rows),
        date=rows.date,
        weight=array_of(recorded["weight"]),
        away=away,
        month=array_of(dates.dt.month()),
        first_date=day_number(calendar.first),
        this_month=day_number(year.as_of.replace(day=1)),
    )


def _enrolled(year: EnrolledYear) -> pl.DataFrame:
    """Days of each window, and days not reported yet."""
    total = pl.col("days_enrolled_ytd")
    totals = {"days_enrolled_ytd": year.reported.total, "days_unreported_ytd": year.elapsed.total - year.reported.total}
    return pl.DataFrame(totals).with_columns(
        pl.min_horizontal(total, FIRST_DAYS).alias(f"days_enrolled_first_{FIRST_DAYS}"),
        *(pl.min_horizontal(total, days).alias(f"days_enrolled_last_{days}") for days in LAST_DAYS),
    )


def _sums(missed: Missed, *, knows_suspensions: pl.Series) -> pl.DataFrame:
    """Sums over the days missed, by window, month and kind; no absence is zero days missed.

    `knows_suspensions`: whether it is known of a student how long each suspension was.
    """
    sums = {
        "absent_parts_ytd": missed.parts,
        "excused_parts_ytd": missed.excused_parts,
        f"absent_parts_first_{FIRST_DAYS}": missed.first_parts,
        "absent_parts_before_last_20": missed.earlier_parts,
        "days_since_last_absence": missed.days_since,
        "longest_absence_run": missed.longest_run,
        "current_absence_run": missed.current_run,
        "tardies_ytd": missed.tardies,
        "suspended_parts_ytd": missed.suspended_parts,
    }
    for window, days in enumerate(LAST_DAYS):
        sums[f"absent_parts_last_{days}"] = missed.last_parts[window]
        sums[f"unexcused_parts_last_{days}"] = missed.last_parts[window] - missed.last_excused_parts[window]
    for kind, name in enumerate(KINDS):
        sums[f"full_days_{name}_ytd"] = missed.full_days[kind]
        sums[f"full_days_{name}_month_max"] = missed.of_month[kind].max(axis=0)
        sums[f"full_days_{name}_this_month"] = missed.this_month[kind]
    sums |= {f"absent_parts_{name}": missed.month_parts[number - 1] for name, number in MONTHS.items()}
    days_since = pl.col("days_since_last_absence")
    return pl.DataFrame(sums).with_columns(
        days_since_last_absence=pl.when(days_since >= 0).then(days_since),
        suspended_parts_ytd=pl.when(knows_suspensions).then("suspended_parts_ytd"),
        full_days_absent_ytd=pl.col("full_days_excused_ytd") + pl.col("full_days_unexcused_ytd"),
    )


def _suspended(school_data: SchoolData, roster: pl.DataFrame, year: EnrolledYear) -> pl.DataFrame:
    """Suspensions and expulsions of this year: `student`, `before` (the day before), `imposed` days or null."""
    known = school_data.incidents.lazy().filter(pl.col("date") <= year.as_of)
    started = pl.col("start_date").is_between(year.reported.calendar.first, year.as_of, closed="right")
    away = (
        school_data.discipline_actions.lazy()
        .filter(started, pl.col("action").is_in(AWAY_FROM_SCHOOL))
        .join(known, on=["incident_id", "student_id"], how="semi")
        .select("student_id", before=pl.col("start_date") - pl.duration(days=1), imposed=pl.col("days").ceil())
        .collect()
    )
    return of_roster(away["student_id"], roster, before=away["before"], imposed=away["imposed"].cast(pl.Int32))


def _away(suspended: pl.DataFrame, roster: pl.DataFrame, year: EnrolledYear) -> Spans:
    """The student's days that a suspension or expulsion of this year imposed, counted from its start date."""
    placed = suspended.filter(pl.col("imposed").is_not_null())
    student = array_of(placed["student"])
    before = year.reported.number(DatedRows(student, array_of(placed["before"])))
    return Spans(
        begins=begins_of(student, roster.height),
        first=read_only(before + 1),
        last=read_only(before + array_of(placed["imposed"])),
    )


def _last_year(recorded: pl.DataFrame, year: EnrolledYear, *, is_covered: bool) -> pl.DataFrame:
    """Days and absence of the whole of last year, for those who were enrolled then; null if it is not covered."""
    total = pl.Series(year.reported.total)
    if not is_covered:
        return pl.DataFrame({"days_enrolled_last_year": total, "absent_parts_last_year": total}).clear(total.len())
    missed = add_up(_records(recorded, year, away=_nobody_away(total.len())))
    found = pl.DataFrame({"days_enrolled_last_year": total, "absent_parts_last_year": missed.parts})
    return found.with_columns(pl.when(total > 0).then(pl.all()))


def _nobody_away(students: int) -> Spans:
    nothing = read_only(np.zeros(0, dtype=np.int32))
    return Spans(begins=begins_of(nothing, students), first=nothing, last=nothing)


def _derived(sums: pl.LazyFrame) -> pl.LazyFrame:
    """Days, rates and bands from the integer sums."""
    in_days = {f"days_absent_{window}": f"absent_parts_{window}" for window in (*RATE_WINDOWS, *MONTHS)}
    in_days |= {f"days_unexcused_last_{days}": f"unexcused_parts_last_{days}" for days in LAST_DAYS}
    in_days |= {"days_excused_ytd": "excused_parts_ytd", "days_absent_suspended_ytd": "suspended_parts_ytd"}
    return sums.with_columns((pl.col(parts) / DAY_PARTS).alias(days) for days, parts in in_days.items()).with_columns(
        *(
            _rate(f"absent_parts_{window}", pl.col(f"days_enrolled_{window}")).alias(f"absence_rate_{window}")
            for window in (*RATE_WINDOWS, *MONTHS)
        ),
        days_unexcused_ytd=(pl.col("absent_parts_ytd") - pl.col("excused_parts_ytd")) / DAY_PARTS,
        absence_trend=_rate("absent_parts_last_20", pl.col("days_enrolled_last_20"))
        - _rate("absent_parts_before_last_20", (pl.col("days_enrolled_ytd") - 20).clip(0, 20)),
        chronically_absent=_at_least(1, 10),
        absence_band=_band(),
    )


def _rate(parts: str, days: pl.Expr) -> pl.Expr:
    """Parts missed over parts enrolled; null without a day."""
    return pl.when(days > 0).then(pl.col(parts) / (days.cast(pl.Int64) * DAY_PARTS))


def _at_least(numerator: int, denominator: int) -> pl.Expr:
    """Whether numerator/denominator of the year's days or more were missed, in whole numbers; null without a day."""
    missed = pl.col("absent_parts_ytd").cast(pl.Int64) * denominator
    days = pl.col("days_enrolled_ytd").cast(pl.Int64)
    return pl.when(days > 0).then(missed >= days * DAY_PARTS * numerator)


def _band() -> pl.Expr:
    return (
        pl.when(_at_least(1, 5))
        .then(pl.lit("severe"))
        .when(_at_least(1, 10))
        .then(pl.lit("moderate"))
        .when(_at_least(1, 20))
        .then(pl.lit("at_risk"))
        .when(pl.col("days_enrolled_ytd") > 0)
        .then(pl.lit("satisfactory"))
    )
