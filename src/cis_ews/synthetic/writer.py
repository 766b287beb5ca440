"""Writes tables piece by piece into the plain folder format, without holding more than a piece.

The folder is built beside its place and renamed into it: it is there whole or not at all. `synthetic.json` in it says
what made it, and that it may be replaced.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from cis_ews.errors import ConfigError
from cis_ews.schema.school_data import TABLES
from cis_ews.storage.files import disk_errors
from cis_ews.synthetic.plan import Plan

# pyarrow has no type information
parquet: Any = importlib.import_module("pyarrow.parquet")

MARKER = "synthetic.json"
ROWS_A_GROUP = 250_000


class TableWriter:
    """Appends frames to `<table>.csv` or `<table>.parquet`; in parts (`<table>/part-00001.parquet`) if asked."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.rows: Counter[str] = Counter()
        self._folder = folder
        self._csv = plan.format == "csv"
        self._in_parts = plan.format == "parquet" and plan.districts > 1
        self._parts: Counter[str] = Counter()
        self._open: dict[str, Any] = {}

    def append(self, tables: Mapping[str, pl.DataFrame]) -> None:
        """Write more rows of some tables."""
        for table, rows in tables.items():
            ordered = rows.select(list(TABLES[table].columns()))
            if self._csv:
                self._append_csv(table, ordered)
            elif self._in_parts:
                self._write_part(table, ordered)
            else:
                self._append_parquet(table, ordered)
            self.rows[table] += rows.height

    def _append_csv(self, table: str, rows: pl.DataFrame) -> None:
        path = self._folder / f"{table}.csv"
        header = not path.exists()
        with path.open("ab") as file:
            rows.write_csv(file, include_header=header)

    def _write_part(self, table: str, rows: pl.DataFrame) -> None:
        self._parts[table] += 1
        folder = self._folder / table
        folder.mkdir(exist_ok=True)
        rows.write_parquet(folder / f"part-{self._parts[table]:05d}.parquet", row_group_size=ROWS_A_GROUP)

    def _append_parquet(self, table: str, rows: Any) -> None:
        data = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if table not in self._open:
            path = self._folder / f"{table}.parquet"
            self._open[table] = parquet.ParquetWriter(path, data.schema, compression="zstd")
        self._open[table].write_table(data, row_group_size=ROWS_A_GROUP)

    def __enter__(self) -> Self:
        """Begin writing."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close every file."""
        for writer in self._open.values():
            writer.close()


@contextmanager
def replaced_folder(out: Path) -> Generator[Path]:
    """A new folder that takes the place of `out` when all went well, and leaves no trace otherwise.

    Raises ConfigError where `out` holds something else than an earlier output of this generator, and StorageError where
    the disk does not take it.
    """
    out = out.resolve()
    _check_replaceable(out)
    with disk_errors(out, "write the folder"), _folder_beside(out) as beside:
        (beside / "new").mkdir()
        yield beside / "new"
        if out.exists():
            out.rename(beside / "old")
        (beside / "new").rename(out)


@contextmanager
def _folder_beside(out: Path) -> Generator[Path]:
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_replaceable(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir() or not (out / MARKER).is_file():
        raise ConfigError(
            f"{out} is there already and is no made-up district",
            hint="choose a folder that does not exist yet, or empty it yourself",
        )


def is_made_up(source: Path) -> bool:
    """Whether an extract, a folder or a zip of it, was made by this generator."""
    if source.is_dir():
        return (source / MARKER).is_file()
    if not zipfile.is_zipfile(source):
        return False
    with zipfile.ZipFile(source) as archive:
        return any(Path(name).name == MARKER for name in archive.namelist())


def write_marker(folder: Path, content: Mapping[str, object]) -> None:
    """Say what made the folder."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MARKER).write_text(f"{text}\n", encoding="utf-8")
