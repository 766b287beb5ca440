"""Academic sessions: the school years and terms of OneRoster, and the calendar that can be derived from them."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from cis_ews.readers.cells import dates, first_filled, word
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.oneroster_tables import ID
from cis_ews.wording import counted

LONGEST = 800  # days of a session; a longer one is a mistyped year
YEAR_BEGINS = 7  # July
SCHOOL_YEAR = "schoolyear"
SIBLINGS = ("parent", "type", "school_year")

Tables = Mapping[str, pl.DataFrame]


def sessions_of(rows: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """One row a session: `session`, `term`, `type`, `parent`, `starts`, `ends`, `school_year`.

    The school year is the one in which the session ends, as OneRoster has it; where the source states none, or another
    than the dates allow, a session that starts in July or later belongs to the year that ends next summer.
    """
    table = "calendar_days"
    rows = dates(rows, "academicSessions", ("startDate", "endDate"), table=table, ledger=ledger)
    rows = ledger.keep(rows, pl.col("startDate").is_not_null(), table=table, rule="missing", column="startDate")
    rows = ledger.keep(rows, pl.col("endDate").is_not_null(), table=table, rule="missing", column="endDate")
    days = (pl.col("endDate") - pl.col("startDate")).dt.total_days()
    rows = ledger.keep(rows, days.is_between(0, LONGEST), table=table, rule="out_of_range", column="startDate, endDate")
    start = pl.col("startDate")
    by_dates = start.dt.year() + (start.dt.month() >= YEAR_BEGINS).cast(pl.Int32)
    stated = pl.col("schoolYear").str.extract(r"(\d{4})\D*$").cast(pl.Int32, strict=False)
    rows = rows.with_columns(by_dates.alias("by_dates"), stated.alias("stated"))
    fits = (pl.col("stated") - pl.col("by_dates")).is_between(0, 1).fill_null(value=False)
    wrong = rows.filter(pl.col("stated").is_not_null() & ~fits).height
    ledger.note(
        f"academicSessions: schoolYear: {counted(wrong, 'session lies', 'sessions lie')} "
        "in another year; their dates decide",
        wrong,
    )
    return rows.select(
        pl.col(ID).alias("session"),
        first_filled("title", ID).alias("term"),
        word("type").fill_null("").alias("type"),
        pl.col("parentSourcedId").fill_null("").alias("parent"),
        pl.col("startDate").alias("starts"),
        pl.col("endDate").alias("ends"),
        pl.when(fits).then("stated").otherwise("by_dates").cast(pl.Int16).alias("school_year"),
    )


def terms_of_classes(classes: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a class and term that is known: `class`, `school`, and the columns of its session."""
    return (
        classes.select(
            pl.col(ID).alias("class"),
            pl.col("schoolSourcedId").alias("school"),
            pl.col("termSourcedIds").str.split(",").alias("session"),
        )
        .explode("session", empty_as_null=True, keep_nulls=True)
        .with_columns(pl.col("session").str.strip_chars())
        .join(sessions, on="session", how="inner", maintain_order="left")
    )


def derived_calendar(
    schools: pl.DataFrame, used: pl.DataFrame, sessions: pl.DataFrame, *, ledger: Ledger
) -> pl.DataFrame:
    """Calendar days: every day of the sessions of a school, Monday to Friday instructional.

    `used`: `school_id`, `session`, `rank` of sessions that a school's line items (0) and classes (1) name; with each
    come its siblings. A school of which nothing is named has the terms of the package. Where several cover a day, its
    term is the one of line items, then the shortest.
    """
    terms = sessions.filter(pl.col("type") != SCHOOL_YEAR)
    terms = sessions if terms.is_empty() else terms
    silent = schools.select("school_id").join(used, on="school_id", how="anti")
    whole = silent.join(terms.select("session"), how="cross").with_columns(rank=pl.lit(2, dtype=pl.Int32))
    named = pl.concat([used.select("school_id", "session", "rank"), whole.select("school_id", "session", "rank")])
    groups = named.join(sessions.select("session", *SIBLINGS), on="session")
    days = (
        groups.group_by("school_id", *SIBLINGS)
        .agg(pl.col("rank").min())
        .join(sessions, on=list(SIBLINGS))
        .with_columns(date=pl.date_ranges("starts", "ends"), length=pl.col("ends") - pl.col("starts"))
        .explode("date", empty_as_null=True, keep_nulls=True)
        .sort("school_id", "date", "rank", "length", "starts", "session")
        .unique(["school_id", "date"], keep="first", maintain_order=True)
    )
    ledger.note(
        "calendar_days: derived from the academic sessions: Monday to Friday of every term is taken as instructional; "
        "holidays are not known"
    )
    return days.select(
        "school_id", "date", (pl.col("date").dt.weekday() <= 5).alias("is_instructional"), "school_year", "term"
    )
