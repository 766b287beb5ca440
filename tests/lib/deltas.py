"""What is new, corrected or withdrawn between two extracts, as a folder that is loaded as a delta."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from cis_ews.schema.school_data import TABLES

Tables = Mapping[str, pl.DataFrame]


def write_delta(before: Tables, after: Tables, folder: Path) -> None:
    """Rows of `after` under keys of which the two say something else, and the keys that `after` has no more."""
    (folder / "removed").mkdir(parents=True)
    for table, rows in after.items():
        key = list(TABLES[table].primary_key())
        same = _groups(before[table], key).join(_groups(rows, key), on=[*key, "rows"], nulls_equal=True)
        changed = rows.join(same, on=key, how="anti", nulls_equal=True)
        withdrawn = before[table].join(rows, on=key, how="anti", nulls_equal=True).select(key)
        if changed.height:
            changed.write_parquet(folder / f"{table}.parquet")
        if withdrawn.height:
            withdrawn.write_parquet(folder / "removed" / f"{table}.parquet")


def _groups(rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Of each key, its rows in one text."""
    row = pl.concat_str(pl.all().cast(pl.String).fill_null("\0"), separator="\1").alias("rows")
    return rows.with_columns(row).group_by(key).agg(pl.col("rows").sort().str.join("\2"))
