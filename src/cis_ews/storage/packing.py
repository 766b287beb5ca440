"""Rows of students with lists, packed into few bytes: an Arrow stream, compressed with zstd.

Parquet of the same rows costs several times as much to write: it has a page for each of its fifty columns, and blocks
are small and many (docs/adr/0032-blocks-are-arrow-streams.md). What an earlier version packed as Parquet is read too.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, cast

import numpy as np
import polars as pl

from cis_ews.storage.coded_blocks import LAYOUT, coded_batches, rows_of

# pyarrow has no type information
arrow: Any = importlib.import_module("pyarrow")
compute: Any = importlib.import_module("pyarrow.compute")

_LEVEL = 1
_PARQUET = b"PAR1"
_OLDEST = pl.CompatLevel.oldest()
Batch = Any
"""A `pyarrow.RecordBatch`; to take a slice of one costs nothing."""


def with_lists(students: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> Batch:
    """The students in their order, one row each, with a list of their rows in each table beside their columns.

    `students`: unique `student_id` first. `tables`: name -> rows with `student_id` and the fields of the list, in any
    order; rows of others are left out, and those of a student keep theirs. Lists are put together from whole columns:
    to join or sort them when they are lists takes ten times as long.
    """
    columns = _arrays(students)
    lists = [_listed(students["student_id"], rows) for rows in tables.values()]
    return arrow.RecordBatch.from_arrays([*columns, *lists], names=[*students.columns, *tables])


def batch_of(frame: pl.DataFrame) -> Batch:
    """A frame that has lists already."""
    table = cast("Any", frame.rechunk()).to_arrow(compat_level=_OLDEST)
    # One chunk is taken as it is: to combine it with nothing copies it.
    arrays = [each.chunk(0) if each.num_chunks == 1 else each.combine_chunks() for each in table.columns]
    return arrow.RecordBatch.from_arrays(arrays, names=frame.columns)


def packed(rows: Batch) -> bytes:
    """Some rows of a batch as one block. The texts in lists are few and often the same: each is there once."""
    columns = [_small(column, is_inside=False) for column in rows.columns]
    return _compressed(arrow.RecordBatch.from_arrays(columns, names=rows.schema.names))


def packed_lists(students: pl.Series, sizes: Sequence[int], tables: Mapping[str, pl.DataFrame]) -> list[bytes]:
    """As `packed` of what `with_lists` gives, cut into blocks of these sizes: quick where there are many.

    `students`: their ids. What is packed so is unpacked with the same rows.
    """
    return [_compressed(batch) for batch in coded_batches(students, sizes, tables)]


def unpacked(block: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of a block, or those of the columns that it has; texts may be categories.

    Raises OSError, ValueError or a polars error where it is none.
    """
    if block.startswith(_PARQUET):
        rows = pl.read_parquet(BytesIO(block))
        return rows if columns is None else rows.select(name for name in columns if name in rows.columns)
    with arrow.CompressedInputStream(arrow.BufferReader(block), "zstd") as stream:
        table = arrow.ipc.open_stream(stream).read_all()
    if table.schema.equals(LAYOUT):
        return pl.DataFrame(rows_of(table, columns))
    return pl.DataFrame(table if columns is None else table.select([c for c in columns if c in table.schema.names]))


def _compressed(batch: Batch) -> bytes:
    # The writer rounds a slice up to 64 bytes, and what lies behind it is of students of another block.
    batch = batch.take(arrow.array(np.arange(batch.num_rows)))
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return arrow.Codec("zstd", compression_level=_LEVEL).compress(sink.getvalue(), asbytes=True)


def _listed(student_ids: pl.Series, rows: pl.DataFrame) -> Any:
    """The rows of each student as a list array, in the order of the ids."""
    runs = rows["student_id"].rle().struct.unnest().select(student_id="value", number="len")
    if runs["student_id"].n_unique() < runs.height:
        return _listed(student_ids, rows.sort("student_id", maintain_order=True))
    runs = runs.with_columns(start=pl.col("number").cum_sum() - pl.col("number"))
    found = student_ids.alias("student_id").to_frame().join(runs, on="student_id", how="left", maintain_order="left")
    numbers, starts = (found[name].fill_null(0).to_numpy().astype(np.int64) for name in ("number", "start"))
    bounds = np.zeros(numbers.size + 1, dtype=np.int64)
    np.cumsum(numbers, out=bounds[1:])
    places = np.repeat(starts - bounds[:-1], numbers) + np.arange(bounds[-1], dtype=np.int64)
    gathered = rows.drop("student_id").select(pl.all().gather(pl.lit(pl.Series("places", places))))
    struct = arrow.StructArray.from_arrays(_arrays(gathered), names=gathered.columns)
    return arrow.ListArray.from_arrays(arrow.array(bounds.astype(np.int32)), struct)


def _arrays(frame: pl.DataFrame) -> list[Any]:
    return [batch_of(frame.select(name)).column(0) for name in frame.columns]


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
