"""Who came into another tier on which night, and by what: kept from the changes of each run as it is published."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl
from sqlalchemy import Connection, delete, select

from cis_ews.enums import Change
from cis_ews.storage.database import tables
from cis_ews.storage.database.bulk import insert_frame
from cis_ews.storage.database.refs import ref_secret, refs_of
from cis_ews.storage.runs import Run

_OF_TIERS = (Change.ENTERED, Change.LEFT, Change.TIER_MOVED)


def keep_changes(connection: Connection, run: Run, schools: pl.DataFrame, *, districts: Collection[str]) -> None:
    """Keep what a run says of tiers in the districts where it becomes current.

    A night of the same as-of date that it takes the place of is told no more.
    """
    table = tables.tier_changes
    replaced = select(tables.runs.c.run_id).where(tables.runs.c.as_of == run.as_of)
    for district in districts:
        connection.execute(delete(table).where(table.c.district_id == district, table.c.run_id.in_(replaced)))
    if run.has("changes"):
        insert_frame(connection, table, _told(connection, run, schools.filter(_among(districts))))


def _told(connection: Connection, run: Run, schools: pl.DataFrame) -> pl.DataFrame:
    columns = ["student_id", "school_id", "change", "cause", "tier_before", "tier_now"]
    moved = run.table("changes", columns=columns).filter(pl.col("change").is_in(list(_OF_TIERS)))
    rows = moved.join(schools.select("school_id", "district_id"), on="school_id", maintain_order="left")
    refs = refs_of(ref_secret(connection), rows)
    told = rows.with_columns(
        refs,
        pl.col("change", "cause").cast(pl.String),
        run_id=pl.lit(run.run_id),
        as_of=pl.lit(run.as_of),
    )
    return told.select(tables.tier_changes.columns.keys()).sort("district_id", "ref")


def _among(districts: Collection[str]) -> Any:
    return pl.col("district_id").is_in(list(districts))
