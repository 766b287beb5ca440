"""Sessions, grading periods and calendar dates of Ed-Fi as the calendar of the contract."""

from __future__ import annotations

import polars as pl

from cis_ews.readers.cells import dates
from cis_ews.readers.edfi_cells import Descriptors, code_of, resolved, school_year
from cis_ews.readers.edfi_roster import PLACE, of_people
from cis_ews.readers.edfi_stream import Package
from cis_ews.readers.ledger import Ledger
from cis_ews.wording import counted

TABLE = "calendar_days"
ENOUGH = 0.5
"""The share of the days that a school's sessions count, from which its calendar dates are taken for its calendar."""
YEAR_BEGINS = 7


def sessions_of(package: Package, ledger: Ledger) -> pl.DataFrame:
    """`school_id`, `school_year`, `name`, `begins`, `ends`, `days` of every session."""
    return _periods(package, "Session", ledger).with_columns(pl.col("days").cast(pl.Int32, strict=False))


def grading_periods_of(package: Package, ledger: Ledger) -> pl.DataFrame:
    """`school_id`, `school_year`, `name` (its descriptor's code), `begins`, `ends`, `id` of every grading period."""
    rows = _periods(package, "GradingPeriod", ledger)
    return rows.with_columns(code_of(rows["name"]).alias("name"))


def _periods(package: Package, record: str, ledger: Ledger) -> pl.DataFrame:
    rows = dates(of_people(package, record), record, ("begins", "ends"), table=TABLE, ledger=ledger)
    filled = ("school_id", "name", "begins", "ends")
    for column in filled:
        rows = ledger.keep(rows, pl.col(column).is_not_null(), table=TABLE, rule="missing", column=column)
    rows = ledger.keep(
        rows, pl.col("ends") >= pl.col("begins"), table=TABLE, rule="out_of_range", column="begins, ends"
    )
    ledger.reduce(TABLE, rows.height)
    by_dates = (pl.col("begins").dt.year() + (pl.col("begins").dt.month() >= YEAR_BEGINS).cast(pl.Int32)).cast(pl.Int16)
    return rows.with_columns(pl.coalesce(school_year("school_year"), by_dates).alias("school_year"))


def calendar_of(
    package: Package, descriptors: Descriptors, *, sessions: pl.DataFrame, periods: pl.DataFrame, ledger: Ledger
) -> pl.DataFrame:
    """Calendar days: a school's own dates where it has enough of them, else every weekday of its sessions."""
    recorded = _recorded(package, descriptors, ledger)
    by_school = sessions.group_by("school_id").agg(pl.col("days").sum().alias("stated"))
    taught = recorded.filter("is_instructional").group_by("school_id").agg(pl.len().alias("found"))
    judged = taught.join(by_school, on="school_id", how="left")
    own = judged.filter(pl.col("found") >= ENOUGH * pl.col("stated").fill_null(0)).select("school_id")
    thin = recorded.join(own, on="school_id", how="anti")
    ledger.reduce(
        TABLE,
        thin.height,
        (
            "calendar date is of a school that has too few of them for a calendar",
            "calendar dates are of schools that have too few of them for a calendar",
        ),
    )
    kept = recorded.join(own, on="school_id", how="semi", maintain_order="left")
    derived = _weekdays(sessions.join(own, on="school_id", how="anti", maintain_order="left"))
    schools = derived["school_id"].n_unique()
    ledger.note(
        f"calendar_days: of {counted(schools, 'school')} "
        "derived from their sessions: Monday to Friday of every session is "
        "taken as instructional; holidays are not known",
        schools,
    )
    span = ["school_id", "school_year", "name", "begins", "ends"]
    without = sessions.join(periods, on=["school_id", "school_year"], how="anti", maintain_order="left")
    return _with_terms(pl.concat([kept, derived]), pl.concat([periods.select(span), without.select(span)]))


def _recorded(package: Package, descriptors: Descriptors, ledger: Ledger) -> pl.DataFrame:
    """One row a school and date; of several calendars of a school, a day is instructional if it is in any."""
    rows = of_people(package, "CalendarDate")
    calendars = of_people(package, "Calendar")
    for column in ("school_id", "school_year"):
        named = resolved(rows.with_columns(pl.col("calendar").alias("__of")), "__of", calendars, value=column)
        rows = rows.with_columns(pl.coalesce(column, named["__of"].alias(column)).alias(column))
    rows = rows.with_columns(descriptors.word(rows, "event", kind="calendar_events").alias("__taught"))
    rows = dates(rows, "CalendarDate", ("date",), table=TABLE, ledger=ledger)
    rows = ledger.keep(rows, pl.col("date").is_not_null(), table=TABLE, rule="missing", column="date")
    rows = ledger.keep(rows, pl.col("school_id").is_not_null(), table=TABLE, rule="missing", column="school_id")
    by_date = (pl.col("date").dt.year() + (pl.col("date").dt.month() >= YEAR_BEGINS).cast(pl.Int32)).cast(pl.Int16)
    rows = rows.with_columns(
        pl.coalesce(school_year("school_year"), by_date).alias("school_year"),
        (pl.col("__taught") == "true").fill_null(value=False).alias("is_instructional"),
    )
    days = rows.sort("is_instructional", descending=True, maintain_order=True)
    days = days.unique(["school_id", "date"], keep="first", maintain_order=True)
    ledger.reduce(
        TABLE,
        rows.height - days.height,
        (
            "calendar date is a further one of the same school and day",
            "calendar dates are further ones of the same school and day",
        ),
    )
    return days.select("school_id", "date", "school_year", "is_instructional", *PLACE)


def _weekdays(sessions: pl.DataFrame) -> pl.DataFrame:
    days = sessions.select("school_id", "school_year", pl.date_ranges("begins", "ends").alias("date"))
    days = days.explode("date", empty_as_null=True, keep_nulls=True).unique(["school_id", "date"], keep="first")
    return days.sort("school_id", "date").select(
        "school_id",
        "date",
        "school_year",
        (pl.col("date").dt.weekday() <= 5).alias("is_instructional"),
        pl.lit(None, dtype=pl.String).alias("file"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row_number"),
    )


def _with_terms(days: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """The days with the term of each: the shortest period of its school that it lies in."""
    spans = periods.select("school_id", pl.col("name").alias("term"), "begins", "ends")
    inside = days.select("school_id", "date").join(spans, on="school_id")
    inside = inside.filter(pl.col("date").is_between("begins", "ends"))
    shortest = inside.sort(pl.col("ends") - pl.col("begins"), "term").unique(["school_id", "date"], keep="first")
    return days.join(
        shortest.select("school_id", "date", "term"), on=["school_id", "date"], how="left", maintain_order="left"
    )
