"""The tables of a run: their keys, their schemas, and Parquet that is the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import dataframely as dy
import polars as pl

from cis_ews.errors import StorageError
from cis_ews.schema.scores import Reasons, Rejections, RuleResults, Scores
from cis_ews.storage.files import sync

ROW_GROUP_ROWS = 65_536
_FAULT = "this is a fault of whatever made the table"

SCHEMAS: Mapping[str, type[dy.Schema]] = {
    "scores": Scores,
    "reasons": Reasons,
    "rules": RuleResults,
    "rejections": Rejections,
}
SORT_KEYS: Mapping[str, tuple[str, ...]] = {
    "scores": ("student_id",),
    "reasons": ("student_id", "direction", "rank"),
    "rules": ("student_id", "rule"),
    "rejections": ("table", "file", "row_number", "rule", "column"),
    "indicators": ("student_id",),
    "contributions": ("student_id",),
}


def checked(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The table with exactly the columns of its schema, every row valid; sorted by its key in one chunk."""
    schema = SCHEMAS.get(name)
    rows = _one_row_a_student(name, frame) if schema is None else _valid(name, frame, schema)
    return rows.sort(SORT_KEYS[name], nulls_last=False).rechunk()


def _one_row_a_student(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    if "student_id" not in frame.columns or frame["student_id"].n_unique() != frame.height:
        raise StorageError(f"{name} cannot be stored: it has not one row a student", hint=_FAULT)
    return frame


def _valid(name: str, frame: pl.DataFrame, schema: type[dy.Schema]) -> pl.DataFrame:
    expected = schema.create_empty().schema
    wrong = [column for column, kind in expected.items() if frame.schema.get(column) != kind]
    if wrong:
        raise StorageError(
            f"{name} cannot be stored: {len(wrong)} columns are missing or of another type ({', '.join(wrong)})",
            hint=_FAULT,
        )
    rows, failure = schema.filter(frame.select(expected.names()))
    if len(failure):
        rules = ", ".join(f"{rule}: {count}" for rule, count in sorted(failure.counts().items()))
        raise StorageError(
            f"{name} cannot be stored: {len(failure)} rows break its contract ({rules})",
            hint=_FAULT,
            rules=failure.counts(),
        )
    return rows


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write Parquet that depends on nothing but the rows; everything that shapes the bytes is fixed here."""
    frame.rechunk().write_parquet(
        path, compression="zstd", compression_level=3, statistics=True, row_group_size=ROW_GROUP_ROWS
    )
    sync(path)
