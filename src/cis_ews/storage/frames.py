"""The tables of a run: their keys, their schemas, and Parquet that is the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import new_class

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
    return (rows if _is_in_order(name, rows) else rows.sort(SORT_KEYS[name], nulls_last=False)).rechunk()


def _is_in_order(name: str, frame: pl.DataFrame) -> bool:
    """Whether each row stands after the one before it by the table's key, which no two rows then share."""
    is_after = pl.lit(value=False)
    for key in map(pl.col, reversed(SORT_KEYS[name])):
        is_after = (key > key.shift()) | ((key == key.shift()) & is_after)
    return frame.select(is_after.slice(1).fill_null(value=False).all()).item()


def _one_row_a_student(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    if "student_id" not in frame.columns or not (
        _is_in_order(name, frame) or frame["student_id"].n_unique() == frame.height
    ):
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
    # Rows in strict order have different keys: nothing is left to look for, and that look would cost the most.
    judge = _without_key(schema) if _is_in_order(name, frame) else schema
    rows, failure = judge.filter(frame.select(expected.names()))
    if len(failure):
        rules = ", ".join(f"{rule}: {count}" for rule, count in sorted(failure.counts().items()))
        raise StorageError(
            f"{name} cannot be stored: {len(failure)} rows break its contract ({rules})",
            hint=_FAULT,
            rules=failure.counts(),
        )
    return rows


@cache
def _without_key(schema: type[dy.Schema]) -> type[dy.Schema]:
    """The schema with every rule but that its key is there once."""
    columns = {name: copy(column) for name, column in schema.columns().items()}
    for column in columns.values():
        column.primary_key = False
    return new_class(schema.__name__, (schema,), exec_body=lambda body: body.update(columns))


@dataclass(frozen=True, slots=True)
class TableParts:
    """A table in Arrow files, each `checked`, one after the other in the order of the key."""

    paths: tuple[Path, ...]

    def lazy(self) -> pl.LazyFrame:
        """The rows of all files."""
        return pl.scan_ipc(list(self.paths), glob=False)

    @property
    def height(self) -> int:
        """How many rows there are."""
        return int(self.lazy().select(pl.len()).collect().item())


def write_table(table: pl.DataFrame | TableParts, path: Path) -> None:
    """Write Parquet that depends on nothing but the rows, in whatever pieces they come; all that shapes the bytes is
    fixed here. Parts are never in memory at once."""
    table.lazy().sink_parquet(
        path,
        compression="zstd",
        compression_level=3,
        statistics=True,
        row_group_size=ROW_GROUP_ROWS,
        maintain_order=True,
    )
    sync(path)
