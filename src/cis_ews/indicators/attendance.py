"""Attendance: days missed, rates over windows, runs of absence; from exceptions, in one pass over them.

A student-day has one absence: the largest fraction recorded that day, so that a student of two schools is not absent
twice. A tardy is no absence. A day counts as a full day missed where half of it or more was missed (Washington). An
absence on a day that is no school day of the owning school, or after the last day that school has reported, is not
counted. Definitions, units and sources: `catalog`.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.enums import AttendanceStatus, DisciplineActionType
from cis_ews.indicators.windows import DAY_PARTS, FIRST_DAYS, LAST_DAYS, MONTHS, EnrolledYear, StudentDays, month_days
from cis_ews.schema.school_data import SchoolData

ABSENT = (AttendanceStatus.EXCUSED, AttendanceStatus.UNEXCUSED)
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
    """Every attendance indicator of the catalog, one row a student of the roster, keyed by `student`."""
    absences = _absences(school_data.attendance_events, this_year.reported, as_of=this_year.as_of)
    parts = [
        _enrolled(this_year),
        month_days(this_year.reported),
        _sums(absences, as_of=this_year.as_of),
        _runs(absences),
        _tardies(school_data.attendance_events, this_year.reported, as_of=this_year.as_of),
        _suspended(school_data, absences, this_year.reported, as_of=this_year.as_of),
        _last_year(school_data, last_year),
    ]
    joined = roster.lazy().select("student")
    for part in pl.collect_all([part.lazy() for part in parts]):
        joined = joined.join(part.lazy(), on="student", how="left")
    return joined.pipe(_filled).pipe(_derived).collect()


def _absences(events: pl.DataFrame, days: StudentDays, *, as_of: date) -> pl.DataFrame:
    """Days missed, sorted by student and day: `student`, `number`, `total`, `date`, `parts`, `excused`, `full`."""
    weight = _parts(pl.col("fraction_absent")) * 2 + (pl.col("status") == AttendanceStatus.EXCUSED).cast(pl.Int32)
    absent = events.lazy().filter(pl.col("date") <= as_of, pl.col("status").is_in(ABSENT))
    placed = days.number(absent.with_columns(weight=weight)).filter("is_student_day")
    ordered = placed.select("student", "number", "total", "date", "weight").sort("student", "number", "weight")
    largest_of_day = pl.struct("student", "number") != pl.struct("student", "number").shift(-1)
    return (
        ordered.filter(largest_of_day.fill_null(value=True))
        .with_columns(parts=pl.col("weight") // 2, excused=pl.col("weight") % 2 == 1)
        .with_columns(full=pl.col("parts") * 2 >= DAY_PARTS, ago=pl.col("total") - pl.col("number"))
        .collect()
    )


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


def _sums(absences: pl.DataFrame, *, as_of: date) -> pl.DataFrame:
    """Sums over the days missed, by window and month, in one pass."""
    excused, full, ago, month = pl.col("excused"), pl.col("full"), pl.col("ago"), pl.col("date").dt.month()
    this_month = pl.col("date") >= as_of.replace(day=1)
    sums = {
        "absent_parts_ytd": _sum_where(pl.lit(value=True)),
        "excused_parts_ytd": _sum_where(excused),
        f"absent_parts_first_{FIRST_DAYS}": _sum_where(pl.col("number") <= FIRST_DAYS),
        "absent_parts_before_last_20": _sum_where((ago >= 20) & (ago < 40)),
        "full_days_absent_ytd": full.sum(),
        "full_days_excused_ytd": (full & excused).sum(),
        "full_days_unexcused_ytd": (full & ~excused).sum(),
        "full_days_unexcused_this_month": (full & ~excused & this_month).sum(),
        "days_since_last_absence": ago.min(),
    }
    for days in LAST_DAYS:
        sums[f"absent_parts_last_{days}"] = _sum_where(ago < days)
        sums[f"unexcused_parts_last_{days}"] = _sum_where((ago < days) & ~excused)
    for name, number in MONTHS.items():
        sums[f"absent_parts_{name}"] = _sum_where(month == number)
        sums[f"full_unexcused_{name}"] = (full & ~excused & (month == number)).sum()
        sums[f"full_excused_{name}"] = (full & excused & (month == number)).sum()
    return absences.lazy().group_by("student").agg(**sums).collect()


def _sum_where(condition: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(pl.col("parts")).otherwise(0).sum()


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


def _tardies(events: pl.DataFrame, days: StudentDays, *, as_of: date) -> pl.LazyFrame:
    tardy = events.lazy().filter(pl.col("date") <= as_of, pl.col("status") == AttendanceStatus.TARDY)
    on_days = days.number(tardy).filter("is_student_day").select("student", "number").unique()
    return on_days.group_by("student").agg(tardies_ytd=pl.len())


def _suspended(school_data: SchoolData, absences: pl.DataFrame, days: StudentDays, *, as_of: date) -> pl.LazyFrame:
    """Days missed inside the days that a suspension or expulsion imposed, counted from its start date."""
    away = school_data.discipline_actions.lazy().filter(
        pl.col("action").is_in(AWAY_FROM_SCHOOL), pl.col("start_date") <= as_of
    )
    day_before = away.select("student_id", "days", date=pl.col("start_date") - pl.duration(days=1))
    spans = days.number(day_before).select(
        "student", first=pl.col("number") + 1, last=pl.col("number") + pl.col("days").ceil().cast(pl.Int32)
    )
    inside = absences.lazy().join(spans, on="student").filter(pl.col("number").is_between("first", "last"))
    return inside.unique(["student", "number"]).group_by("student").agg(suspended_parts_ytd=pl.col("parts").sum())


def _last_year(school_data: SchoolData, year: EnrolledYear) -> pl.LazyFrame:
    """Whole-year days and absence of last year; no row where the extract has no attendance of that year."""
    days = year.reported.totals().lazy().filter(pl.col("total") > 0)
    absences = _absences(school_data.attendance_events, year.reported, as_of=year.as_of).lazy()
    missed = absences.group_by("student").agg(absent_parts_last_year=pl.col("parts").sum())
    return days.join(missed, on="student", how="left").select(
        "student", days_enrolled_last_year="total", absent_parts_last_year=pl.col("absent_parts_last_year").fill_null(0)
    )


def _filled(joined: pl.LazyFrame) -> pl.LazyFrame:
    """No absence is zero days missed; what has no value without a row of its own stays null."""
    stays_null = {"days_since_last_absence", "days_enrolled_last_year", "absent_parts_last_year"}
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
        full_days_unexcused_month_max=pl.max_horizontal(f"full_unexcused_{month}" for month in MONTHS),
        full_days_excused_month_max=pl.max_horizontal(f"full_excused_{month}" for month in MONTHS),
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
