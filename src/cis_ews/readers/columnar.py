"""Parquet: typed columns as they are; the contract says later what each of them must become."""

from __future__ import annotations

import importlib
import io
from collections.abc import Collection
from typing import Any

import polars as pl

from cis_ews.errors import ReadError
from cis_ews.readers.file_read import FileRead
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry, open_entry

# pyarrow has no type information
arrow: Any = importlib.import_module("pyarrow")
parquet: Any = importlib.import_module("pyarrow.parquet")


def read_parquet(entry: Entry, *, known_columns: Collection[str], limits: ReadLimits) -> FileRead:
    """A Parquet file: its known columns. Raises ReadError where it is damaged or holds more rows than the limit."""
    with open_entry(entry, limits) as opened:
        sha256 = "" if entry.packed else opened.sha256()
        try:
            # A file on disk is read where it lies; one in an archive has to be unpacked, within the limits.
            file = parquet.ParquetFile(io.BytesIO(opened.content.read()) if entry.packed else opened.lying)
            names = list(file.schema_arrow.names)
            if file.metadata.num_rows > limits.max_rows:
                raise ReadError(f"{entry.name}: {file.metadata.num_rows:,} rows", hint="split it", file=entry.name)
            known = [name for name in names if name in known_columns]
            frame = pl.DataFrame(file.read(columns=known))
        except (arrow.ArrowException, pl.exceptions.PolarsError, ValueError):
            # Messages can quote cells.
            raise ReadError(
                f"{entry.name}: the file is no Parquet, or damaged", hint="export it again", file=entry.name
            ) from None
        numbers = pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True)
        return FileRead(
            frame=frame,
            row_numbers=numbers,
            unknown_columns=len(names) - len(known),
            sha256=sha256 or opened.sha256(),
        )
