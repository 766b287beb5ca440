"""Students with lists, put together in a way that is plain and slow."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl


def with_lists(students: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The students in their order, with a list of their rows in each table beside their columns."""
    for name, rows in tables.items():
        lists = rows.group_by("student_id", maintain_order=True).agg(pl.struct(pl.exclude("student_id")).alias(name))
        none = pl.lit(pl.Series([[]], dtype=lists.schema[name]))
        students = students.join(lists, on="student_id", how="left", maintain_order="left")
        students = students.with_columns(pl.col(name).fill_null(none))
    return students
