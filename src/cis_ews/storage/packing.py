"""Rows of students with lists, packed into few bytes: an Arrow stream, compressed with zstd.

A night packs them in codes (`coded_blocks`); a block that is written anew has its rows written out, as all had in an
earlier version, or Parquet in one before. All are read (docs/adr/0032-blocks-are-arrow-streams.md).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, cast

import numpy as np
import polars as pl

from cis_ews.schema.coded import CodedTable
from cis_ews.storage.arrays import of_numbers
from cis_ews.storage.coded_blocks import LAYOUT, coded_batches, rows_of

# pyarrow has no type information
arrow: Any = importlib.import_module("pyarrow")
compute: Any = importlib.import_module("pyarrow.compute")

_LEVEL = 1
_PARQUET = b"PAR1"
_OLDEST = pl.CompatLevel.oldest()
Batch = Any
"""A `pyarrow.RecordBatch`; to take a slice of one costs nothing."""


def batch_of(frame: pl.DataFrame) -> Batch:
    """A frame that has lists already."""
    table = cast("Any", frame.rechunk()).to_arrow(compat_level=_OLDEST)
    # One chunk is taken as it is: to combine it with nothing copies it.
    arrays = [each.chunk(0) if each.num_chunks == 1 else each.combine_chunks() for each in table.columns]
    return arrow.RecordBatch.from_arrays(arrays, names=frame.columns)


def packed(rows: Batch) -> bytes:
    """Some rows of a batch as one block. The texts in lists are few and often the same: each is there once."""
    columns = [_small(column, is_inside=False) for column in rows.columns]
    batch: Any = arrow.RecordBatch.from_arrays(columns, names=rows.schema.names)
    every = np.arange(len(rows))
    # The writer rounds a slice up to 64 bytes, and what lies behind it is of students of another block.
    return _compressed(batch.take(of_numbers(every)))


def packed_lists(
    students: pl.DataFrame,
    sizes: Sequence[int],
    tables: Mapping[str, pl.DataFrame | CodedTable],
    *,
    fields: Mapping[str, Sequence[str]] | None = None,
) -> list[bytes]:
    """Students with a list of their rows in each table, in blocks of so many students each: quick where there are many.

    As `cis_ews.storage.coded_blocks.coded_batches`.
    """
    return [_compressed(batch) for batch in coded_batches(students, sizes, tables, fields=fields)]


def unpacked(block: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of a block, or those of the columns that it has; texts may be categories.

    Raises OSError, ValueError, an error of polars or a panic of it where it is none, or is damaged so that it shows.
    """
    if block.startswith(_PARQUET):
        rows = pl.read_parquet(BytesIO(block))
        return rows if columns is None else rows.select(name for name in columns if name in rows.columns)
    with arrow.CompressedInputStream(arrow.BufferReader(block), "zstd") as stream:
        table = arrow.ipc.open_stream(stream).read_all()
    table.validate(full=True)  # what is read goes by its offsets, wherever in memory they lead
    if table.schema.equals(LAYOUT):
        rows = rows_of(table, columns)
        rows.validate(full=True)
        return pl.DataFrame(rows)
    return pl.DataFrame(table if columns is None else table.select([c for c in columns if c in table.schema.names]))


def _compressed(batch: Batch) -> bytes:
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return arrow.Codec("zstd", compression_level=_LEVEL).compress(sink.getvalue(), asbytes=True)


def _small(array: Any, *, is_inside: bool) -> Any:
    """The array without what lies beside a slice of it, and with each text of a list once."""
    kind = array.type
    if arrow.types.is_list(kind) or arrow.types.is_large_list(kind):
        values = _small(array.flatten(), is_inside=True)
        bounds = compute.subtract(array.offsets, array.offsets[0]).cast(arrow.int32())
        return arrow.ListArray.from_arrays(bounds, values)
    if arrow.types.is_struct(kind):
        fields = [_small(each, is_inside=True) for each in array.flatten()]
        return arrow.StructArray.from_arrays(fields, names=[field.name for field in kind])
    is_text = arrow.types.is_string(kind) or arrow.types.is_large_string(kind)
    return compute.dictionary_encode(array) if is_text and is_inside else array
