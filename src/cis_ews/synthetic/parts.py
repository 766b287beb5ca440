"""Writes the tables of a state in parts, `<table>/part-00001.parquet`, each with all rows of some 30,000 students.

Students come in the order of their ids, so that the ids of two parts never overlap, and every part of a table has the
same students as that part of any other. Ids and words are written from their codes, never made text a row.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from cis_ews.schema.school_data import TABLES
from cis_ews.synthetic.writer import ROWS_A_GROUP

# pyarrow has no type information
arrow: Any = importlib.import_module("pyarrow")
parquet: Any = importlib.import_module("pyarrow.parquet")

STUDENTS_A_PART = 28_000
MOST_ROWS_A_GROUP = 300_000


class PartsWriter:
    """Appends frames to the current part of each table, and begins a new part when enough students are in it."""

    def __init__(self, folder: Path) -> None:
        self.rows: Counter[str] = Counter()
        self._folder = folder
        self._number = 1
        self._students = 0
        self._files: dict[str, _PartFile] = {}

    def append(self, tables: Mapping[str, pl.DataFrame]) -> None:
        """Write more rows of some tables; the rows of a student are never split between two calls."""
        for table, rows in tables.items():
            self._file(table).append(rows.select(list(TABLES[table].columns())))
            self.rows[table] += rows.height
        self._students += tables["students"].height if "students" in tables else 0
        if self._students >= STUDENTS_A_PART:
            self._end_part()

    def _file(self, table: str) -> _PartFile:
        if table not in self._files:
            (self._folder / table).mkdir(exist_ok=True)
            self._files[table] = _PartFile(self._folder / table / f"part-{self._number:05d}.parquet")
        return self._files[table]

    def _end_part(self) -> None:
        for file in self._files.values():
            file.close()
        self._files, self._students = {}, 0
        self._number += 1

    def __enter__(self) -> Self:
        """Begin writing."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Write the last part; where writing was interrupted, close what is open as it is."""
        if kind is None:
            self._end_part()
        for file in self._files.values():
            file.abandon()


class _PartFile:
    """One Parquet file; rows wait until there are enough of them for a row group."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None
        self._waiting: list[pl.DataFrame] = []

    def append(self, rows: pl.DataFrame) -> None:
        self._waiting.append(rows)
        if sum(frame.height for frame in self._waiting) >= ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        data = arrow.concat_tables([_to_arrow(frame) for frame in self._waiting]).unify_dictionaries()
        self._waiting = []
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._path, data.schema, compression="zstd", store_schema=False)
        groups = max(1, ceil(data.num_rows / MOST_ROWS_A_GROUP))
        self._writer.write_table(data, row_group_size=max(1, ceil(data.num_rows / groups)))

    def close(self) -> None:
        if self._waiting:
            self._flush()
        self._writer.close()

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _to_arrow(frame: pl.DataFrame) -> Any:
    """A table of arrow; codes stay codes, of one width, so that the tables of several blocks fit together."""
    return arrow.table({column.name: _column_to_arrow(column) for column in frame.get_columns()})


def _column_to_arrow(column: Any) -> Any:
    oldest = pl.CompatLevel.oldest()
    if not isinstance(column.dtype, pl.Enum):
        return column.to_arrow(compat_level=oldest)
    codes: Any = column.to_physical().cast(pl.Int32).to_arrow()
    return arrow.DictionaryArray.from_arrays(codes, column.dtype.categories.to_arrow(compat_level=oldest))
