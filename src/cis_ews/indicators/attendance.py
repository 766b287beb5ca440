"""Attendance: days missed, rates over windows, runs of absence; from exceptions, in one pass over them.

A student-day has one absence: the largest fraction recorded that day, so that a student of two schools is not absent
twice. A tardy is no absence. A day counts as a full day missed where half of it or more was missed (Washington). An
absence on a day that is no school day of the owning school, or after the last day that school has reported, is not
counted. Definitions, units and sources: `catalog`.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.enums import AttendanceStatus, DisciplineActionType, Domain
from cis_ews.indicators.coverage import covers_actions, covers_years_before
from cis_ews.indicators.roster import side_by_side
from cis_ews.indicators.windows import DAY_PARTS, FIRST_DAYS, LAST_DAYS, MONTHS, EnrolledYear, month_days
from cis_ews.schema.school_data import SchoolData

TARDY = -1
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
    recorded = _recorded(school_data.attendance_events, this_year)
    absences = _absences(recorded)
    parts = [
        _enrolled(this_year),
        month_days(this_year.reported),
        _sums(absences),
        _full_days_of_months(absences, AttendanceStatus.EXCUSED, as_of=this_year.as_of),
        _full_days_of_months(absences, AttendanceStatus.UNEXCUSED, as_of=this_year.as_of),
        _runs(absences),
        _tardies(recorded),
        _suspended(school_data, absences, this_year),
        _last_year(school_data, last_year),
    ]
    return side_by_side(roster, parts).lazy().pipe(_filled, school_data).pipe(_derived).collect()


def _recorded(events: pl.DataFrame, year: EnrolledYear) -> pl.DataFrame:
    """What was recorded on the student's days, sorted: `student`, `number`, `weight`, `total`, `date`.

    `weight` orders the records of one day and carries what is counted: twice the parts missed, plus one where excused;
    a tardy is -1.
    """
    status = pl.col("status")
    missed = _parts(pl.col("fraction_absent")) * 2 + (status == AttendanceStatus.EXCUSED).cast(pl.Int32)
    weight = pl.when(status == AttendanceStatus.TARDY).then(TARDY).otherwise(missed)
    in_year = pl.col("date").is_between(year.reported.calendar.first, year.as_of)
    exceptions = events.lazy().filter(in_year, status != AttendanceStatus.PRESENT)
    placed = year.reported.on_days(exceptions.select("student_id", "date", weight=weight))
    return placed.sort("student", "number", "weight")


def _absences(recorded: pl.DataFrame) -> pl.DataFrame:
    """Days missed, in order: `student`, `number`, `ago` (0: the last day), `date`, `month`, `parts` and their kinds."""
    largest_of_day = _differs_from(-1)
    return (
        recorded.lazy()
        .filter(largest_of_day, pl.col("weight") >= 0)
        .select(
            "student",
            "number",
            "date",
            month=pl.col("date").dt.month(),
            ago=pl.col("total") - pl.col("number"),
            parts=pl.col("weight") // 2,
            excused=pl.col("weight") % 2 == 1,
            full=pl.col("weight") // 2 * 2 >= DAY_PARTS,
        )
        .collect()
    )


def _differs_from(step: int) -> pl.Expr:
    """Whether the row `step` rows above (below, if negative) is of another day or student."""
    student, number = pl.col("student"), pl.col("number")
    return student.ne_missing(student.shift(step)) | number.ne_missing(number.shift(step))


def _parts(fraction: pl.Expr) -> pl.Expr:
    return (fraction * DAY_PARTS).round().cast(pl.Int32)


def _enrolled(year: EnrolledYear) -> pl.DataFrame:
    """Days of each window, and days not reported yet."""
    total = pl.col("total")
    elapsed = year.elapsed.totals().rename({"total": "elapsed"})
    return (
        year.reported.totals()
        .join(elapsed, on="student")
        .select(
            "student",
            "total",
            pl.min_horizontal(total, FIRST_DAYS).alias(f"days_enrolled_first_{FIRST_DAYS}"),
            *(pl.min_horizontal(total, days).alias(f"days_enrolled_last_{days}") for days in LAST_DAYS),
            days_unreported_ytd=pl.col("elapsed") - total,
        )
    )


def _sums(absences: pl.DataFrame) -> pl.LazyFrame:
    """Sums over the days missed, by window and month, in one pass."""
    parts, excused, full, ago = pl.col("parts"), pl.col("excused"), pl.col("full"), pl.col("ago")
    sums = {
        "absent_parts_ytd": parts.sum(),
        "excused_parts_ytd": parts.filter(excused).sum(),
        f"absent_parts_first_{FIRST_DAYS}": parts.filter(pl.col("number") <= FIRST_DAYS).sum(),
        "absent_parts_before_last_20": parts.filter(ago.is_between(20, 39)).sum(),
        "full_days_absent_ytd": full.sum(),
        "full_days_excused_ytd": full.filter(excused).sum(),
        "days_since_last_absence": ago.min(),
    }
    for days in LAST_DAYS:
        sums[f"absent_parts_last_{days}"] = parts.filter(ago < days).sum()
        sums[f"unexcused_parts_last_{days}"] = parts.filter(ago < days, ~excused).sum()
    for name, number in MONTHS.items():
        sums[f"absent_parts_{name}"] = parts.filter(pl.col("month") == number).sum()
    return absences.lazy().group_by("student").agg(**sums)


def _full_days_of_months(absences: pl.DataFrame, kind: str, *, as_of: date) -> pl.LazyFrame:
    """Most full days of a kind in one calendar month, and those in the month of the as-of date."""
    days = absences.lazy().filter("full", pl.col("excused") == (kind == AttendanceStatus.EXCUSED))
    this_month = pl.col("date") >= as_of.replace(day=1)
    by_month = days.group_by("student", "month").agg(days=pl.len(), this_month=this_month.sum())
    return by_month.group_by("student").agg(
        pl.col("days").max().alias(f"full_days_{kind}_month_max"),
        pl.col("this_month").sum().alias(f"full_days_{kind}_this_month"),
    )


def _runs(absences: pl.DataFrame) -> pl.DataFrame:
    """Longest and current run of days missed by half or more, following the student's own day numbers."""
    full = absences.filter("full").select("student", "number", "ago")
    starts = (pl.col("student") != pl.col("student").shift(1)) | (pl.col("number") != pl.col("number").shift(1) + 1)
    runs = (
        full.with_row_index("place")
        .filter(starts.fill_null(value=True))
        .with_columns(
            length=pl.col("place").shift(-1, fill_value=full.height).cast(pl.Int32) - pl.col("place").cast(pl.Int32)
        )
    )
    reaches_today = pl.col("ago") - pl.col("length") == -1
    current = pl.when(reaches_today).then(pl.col("length")).otherwise(0)
    return runs.group_by("student").agg(longest_absence_run=pl.col("length").max(), current_absence_run=current.max())


def _tardies(recorded: pl.DataFrame) -> pl.LazyFrame:
    late = recorded.lazy().filter(_differs_from(1), pl.col("weight") == TARDY)
    return late.group_by("student").agg(tardies_ytd=pl.len())


def _suspended(school_data: SchoolData, absences: pl.DataFrame, year: EnrolledYear) -> pl.LazyFrame:
    """Days missed inside the days that a suspension or expulsion of this year imposed, counted from its start date."""
    known = school_data.incidents.lazy().filter(pl.col("date") <= year.as_of)
    started = pl.col("start_date").is_between(year.reported.calendar.first, year.as_of, closed="right")
    away = (
        school_data.discipline_actions.lazy()
        .filter(started, pl.col("action").is_in(AWAY_FROM_SCHOOL))
        .join(known, on=["incident_id", "student_id"], how="semi")
        .select("student_id", "days", date=pl.col("start_date") - pl.duration(days=1))
    )
    imposed = pl.col("days").ceil().cast(pl.Int32)
    number = pl.col("number")
    spans = year.reported.number(away).lazy().select("student", first=number + 1, last=number + imposed)
    inside = absences.lazy().join(spans, on="student").filter(pl.col("number").is_between("first", "last"))
    return inside.unique(["student", "number"]).group_by("student").agg(suspended_parts_ytd=pl.col("parts").sum())


def _last_year(school_data: SchoolData, year: EnrolledYear) -> pl.LazyFrame:
    """Days and absence of the whole of last year, for those who were enrolled then; no row if it is not covered."""
    is_covered = covers_years_before(school_data, Domain.ATTENDANCE, school_year=year.school_year + 1)
    days = year.reported.totals().lazy().filter(pl.col("total") > 0, is_covered)
    absences = _absences(_recorded(school_data.attendance_events, year)).lazy()
    missed = absences.group_by("student").agg(absent_parts_last_year=pl.col("parts").sum())
    return days.join(missed, on="student", how="left").select(
        "student", pl.col("absent_parts_last_year").fill_null(0), days_enrolled_last_year="total"
    )


def _filled(joined: pl.LazyFrame, school_data: SchoolData) -> pl.LazyFrame:
    """No absence is zero days missed; what has no value without a row of its own stays null."""
    stays_null = {"days_since_last_absence", "days_enrolled_last_year", "absent_parts_last_year"}
    if not covers_actions(school_data):
        stays_null.add("suspended_parts_ytd")
    counts = [name for name in joined.collect_schema().names() if name not in stays_null]
    return joined.with_columns(pl.col(counts).fill_null(0))


def _derived(filled: pl.LazyFrame) -> pl.LazyFrame:
    """Days, rates and bands from the integer sums."""
    named = filled.rename({"total": "days_enrolled_ytd"})
    in_days = {f"days_absent_{window}": f"absent_parts_{window}" for window in (*RATE_WINDOWS, *MONTHS)}
    in_days |= {f"days_unexcused_last_{days}": f"unexcused_parts_last_{days}" for days in LAST_DAYS}
    in_days |= {"days_excused_ytd": "excused_parts_ytd", "days_absent_suspended_ytd": "suspended_parts_ytd"}
    return named.with_columns((pl.col(parts) / DAY_PARTS).alias(days) for days, parts in in_days.items()).with_columns(
        *(
            _rate(f"absent_parts_{window}", pl.col(f"days_enrolled_{window}")).alias(f"absence_rate_{window}")
            for window in (*RATE_WINDOWS, *MONTHS)
        ),
        days_unexcused_ytd=(pl.col("absent_parts_ytd") - pl.col("excused_parts_ytd")) / DAY_PARTS,
        full_days_unexcused_ytd=pl.col("full_days_absent_ytd") - pl.col("full_days_excused_ytd"),
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
