"""Parquet: typed columns as they are; the contract says later what each of them must become."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path

import polars as pl

from cis_ews.errors import ReadError
from cis_ews.readers.file_read import FileRead
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry, open_entry


def read_parquet(entry: Entry, *, known_columns: Collection[str], limits: ReadLimits) -> FileRead:
    """A Parquet file: its known columns. Raises ReadError where it is damaged or holds more rows than the limit."""
    with open_entry(entry, limits) as opened:
        sha256 = "" if entry.packed else opened.sha256()
        # A file on disk is read where it lies; one in an archive has to be unpacked, within the limits.
        source = io.BytesIO(opened.content.read()) if entry.packed else entry.path
        try:
            frame, unknown = _read(source, entry, known_columns=known_columns, limits=limits)
        except (pl.exceptions.PolarsError, ValueError):
            # Messages can quote cells.
            raise ReadError(
                f"{entry.name}: the file is no Parquet, or damaged", hint="export it again", file=entry.name
            ) from None
        return FileRead(
            frame=frame,
            row_numbers=pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True),
            unknown_columns=unknown,
            sha256=sha256 or opened.sha256(),
        )


def _read(
    source: io.BytesIO | Path, entry: Entry, *, known_columns: Collection[str], limits: ReadLimits
) -> tuple[pl.DataFrame, int]:
    file = pl.scan_parquet(source, glob=False, hive_partitioning=False)
    names = file.collect_schema().names()
    rows = int(file.select(pl.len()).collect().item())
    if rows > limits.max_rows:
        raise ReadError(f"{entry.name}: {rows:,} rows", hint="split it", file=entry.name)
    known = [name for name in names if name in known_columns]
    return file.select(pl.col(known)).collect(), len(names) - len(known)
