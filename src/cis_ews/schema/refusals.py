"""What a refusal of a table says of its rejections: how many by rule, and where the first of them stand."""

from __future__ import annotations

import polars as pl

from cis_ews.schema.rows import PLACE

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


def _label(rule: str, column: str | None) -> str:
    return f"{rule} ({column})" if column else rule
