"""What is said of rejections: how many by table and rule, and where the first of them stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from cis_ews.schema.rows import PLACE

PLACES = 3
"""So many first places of a table and rule are told."""
ROWS_NAMED = 5  # row numbers that a refusal names for each rule


def rows_by_rule(rejections: pl.DataFrame) -> dict[str, int]:
    """`rule (column)` -> rows, most first."""
    counts = rejections.group_by("rule", "column").len().sort("len", "rule", "column", descending=[True, False, False])
    return {_label(rule, column): count for rule, column, count in counts.iter_rows()}


def places_by_rule(rejections: pl.DataFrame) -> dict[str, list[str]]:
    """`rule (column)` -> the first places, `file:row`: enough to find the mistake in the export."""
    firsts = rejections.sort(*PLACE).group_by("rule", "column", maintain_order=True).head(ROWS_NAMED)
    places: dict[str, list[str]] = {}
    for rule, column, file, row in firsts.select("rule", "column", *PLACE).iter_rows():
        places.setdefault(_label(rule, column), []).append(f"{file or 'row'}:{row}")
    return places


def rejected_rows(rejections: pl.DataFrame) -> dict[str, int]:
    """Table -> rows rejected, each counted once, however many rules it breaks."""
    return dict(rejections.group_by("table").agg(pl.struct("file", "row_number").n_unique()).iter_rows())


def rejections_by_rule(rejections: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a table, rule and column: `rows`, and the first `places`, file and row number."""
    ordered = rejections.sort("table", "rule", "column", "file", "row_number", nulls_last=True)
    grouped = ordered.group_by("table", "rule", "column", maintain_order=True).agg(
        rows=pl.len(), files=pl.col("file").head(PLACES), numbers=pl.col("row_number").head(PLACES)
    )
    return [
        {
            **{name: row[name] for name in ("table", "rule", "column", "rows")},
            "places": tuple(zip(row["files"], row["numbers"], strict=True)),
        }
        for row in grouped.iter_rows(named=True)
    ]


def rule_words(row: Mapping[str, Any]) -> str:
    """The rule of a rejection, with the column where it looks at one alone."""
    column = row["column"]
    return f"{row['rule']} ({column})" if column and "," not in column else str(row["rule"])


def _label(rule: str, column: str | None) -> str:
    return f"{rule} ({column})" if column else rule
