"""The tables of a run: their keys, their schemas, and Parquet that is the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dataframely as dy
import polars as pl

from cis_ews.errors import StorageError
from cis_ews.schema.scores import Changes, Reasons, Rejections, RuleResults, Scores
from cis_ews.storage.files import sync
from cis_ews.wording import counted

ROW_GROUP_ROWS = 65_536
_FAULT = "this is a fault of whatever made the table"

SCHEMAS: Mapping[str, type[dy.Schema]] = {
    "scores": Scores,
    "reasons": Reasons,
    "rules": RuleResults,
    "rejections": Rejections,
    "changes": Changes,
}
SORT_KEYS: Mapping[str, tuple[str, ...]] = {
    "scores": ("student_id",),
    "reasons": ("student_id", "direction", "rank"),
    "rules": ("student_id", "rule"),
    "rejections": ("table", "file", "row_number", "rule", "column"),
    "indicators": ("student_id",),
    "contributions": ("student_id",),
    "changes": ("student_id",),
}


def checked(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The table with exactly the columns of its schema, every row valid; sorted by its key in one chunk."""
    schema, keys = SCHEMAS.get(name), SORT_KEYS[name]
    if not _stands_in_order(frame, keys):
        rows = _one_row_a_student(name, frame) if schema is None else _valid(name, frame, schema)
        return rows.sort(keys, nulls_last=False).rechunk()
    # Rows that each stand after the one before them are sorted, and no two of them have the same key.
    rows = frame if schema is None else _valid(name, frame, _without_key(schema))
    return rows.with_columns(pl.col(keys[0]).set_sorted()).rechunk()


def _stands_in_order(frame: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Whether each row stands after the one before it and differs from it; not known where a key is null or lacking."""
    if not set(keys) <= set(frame.columns) or frame.select(keys).null_count().sum_horizontal().item():
        return False
    stands_after = pl.lit(value=False)
    for key in reversed(keys):
        value, before = pl.col(key), pl.col(key).shift()
        stands_after = (value > before) | ((value == before) & stands_after)
    return bool(frame.select(stands_after.all()).item())


@cache
def _without_key(schema: type[dy.Schema]) -> type[dy.Schema]:
    """A schema that asks the same of each row, and nothing of two rows together."""
    columns = schema.columns()
    open_keys = {name: columns[name].with_primary_key(primary_key=False) for name in schema.primary_key()}
    return type(schema.__name__, (schema,), open_keys)


def _one_row_a_student(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    if "student_id" not in frame.columns or frame["student_id"].n_unique() != frame.height:
        raise StorageError(f"{name} cannot be stored: it has not one row a student", hint=_FAULT)
    return frame


def _valid(name: str, frame: pl.DataFrame, schema: type[dy.Schema]) -> pl.DataFrame:
    expected = SCHEMAS[name].create_empty().schema
    wrong = [column for column, kind in expected.items() if frame.schema.get(column) != kind]
    if wrong:
        raise StorageError(
            f"{name} cannot be stored: {counted(len(wrong), 'column is', 'columns are')} "
            f"missing or of another type ({', '.join(wrong)})",
            hint=_FAULT,
        )
    rows, failure = schema.filter(frame.select(expected.names()))
    if len(failure):
        rules = ", ".join(f"{rule}: {count}" for rule, count in sorted(failure.counts().items()))
        raise StorageError(
            f"{name} cannot be stored: {counted(len(failure), 'row breaks', 'rows break')} its contract ({rules})",
            hint=_FAULT,
            rules=failure.counts(),
        )
    return rows.select(expected.names())


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
        compression_level=1,
        statistics=True,
        row_group_size=ROW_GROUP_ROWS,
        maintain_order=True,
    )
    sync(path)
