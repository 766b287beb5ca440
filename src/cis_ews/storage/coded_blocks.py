"""Records of students in blocks, packed for all blocks of a part at once (docs/adr/0032-blocks-are-arrow-streams.md).

A block is an Arrow stream of the rows of `LAYOUT`, a column of the records each, with zstd around it:

    name       student_id; table, of which the cells are how many rows each student has; table.column
    kind       Arrow's name of the type of the values
    width      bytes of a code: 1, 2 or 4
    nothing    the code that stands for null; -1 where none is
    codes      a code a cell, little-endian: of the values in the order in which they come up
    numbers    the values, little-endian; a byte each where they are true or false
    texts      the values of kind string
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.storage.coding import NONE, Coded, Coder, Layout, grouped
from cis_ews.texts import places_of

# pyarrow has no type information
arrow: Any = importlib.import_module("pyarrow")

LAYOUT = arrow.schema(
    {
        "name": arrow.string(),
        "kind": arrow.string(),
        "width": arrow.uint8(),
        "nothing": arrow.int32(),
        "codes": arrow.large_binary(),
        "numbers": arrow.large_binary(),
        "texts": arrow.large_list(arrow.large_string()),
    }
)
_KEY = "student_id"
_STRING = "string"
_OLDEST = pl.CompatLevel.oldest()
_CODES = {1: "<u1", 2: "<u2", 4: "<u4"}


def coded_batches(students: pl.Series, sizes: Sequence[int], tables: Mapping[str, pl.DataFrame]) -> list[Any]:
    """The records of students, a batch by `LAYOUT` a block.

    `students`: unique ids in order. `sizes`: how many of them, one after the other, each block holds. `tables`: name ->
    rows with `student_id`, in any order; rows of others are left out, and those of a student keep theirs.

    Raises ValueError where the blocks do not hold every student.
    """
    if sum(sizes) != students.len():
        raise ValueError(f"blocks of {sum(sizes)} students were asked for, and {students.len()} given")
    bounds = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    everyone = Layout(rows=np.arange(students.len(), dtype=np.int32), bounds=bounds)
    by_table = {name: grouped(places_of(rows[_KEY], students), bounds) for name, rows in tables.items()}
    coder = Coder([everyone, *(layout for layout, _ in by_table.values())])
    columns = {_KEY: coder.coded(students, everyone)}
    for table, (layout, numbers) in by_table.items():
        columns[table] = coder.coded(pl.Series(numbers.astype(np.int32)), everyone)
        for name in tables[table].columns:
            if name != _KEY:
                columns[f"{table}.{name}"] = coder.coded(tables[table][name], layout)
    rows = _rows(columns, blocks=len(sizes))
    return [rows.slice(place * len(columns), len(columns)) for place in range(len(sizes))]


def rows_of(batch: Any, columns: Sequence[str] | None = None) -> Any:
    """The rows of a block by `LAYOUT`, as an Arrow table: a row a student, a list a table; or those columns it has."""
    parts = {row["name"]: row for row in batch.to_pylist()}
    lists: dict[str, Any] = {}
    for name in (name for name in parts if "." not in name):
        if columns is not None and name not in columns:
            continue
        cells = _cells(parts[name])
        if name == _KEY:
            lists[name] = cells
            continue
        fields = {each.partition(".")[2]: _cells(part) for each, part in parts.items() if each.startswith(f"{name}.")}
        ends = np.concatenate([[0], np.cumsum(cells.to_numpy(zero_copy_only=False))]).astype(np.int32)
        struct = arrow.StructArray.from_arrays(list(fields.values()), names=list(fields))
        lists[name] = arrow.ListArray.from_arrays(arrow.array(ends), struct)
    return arrow.table(lists)


def _rows(columns: Mapping[str, Coded], *, blocks: int) -> Any:
    """By `LAYOUT`, block after block."""
    coded = list(columns.values())
    values = [_values(each) for each in coded]
    texts = arrow.concat_arrays([texts for _, _, _, texts in values])
    whole = arrow.RecordBatch.from_arrays(
        [
            arrow.array(np.repeat(np.array(list(columns), dtype=object), blocks), arrow.string()),
            arrow.array(np.repeat(np.array([kind for kind, _, _, _ in values], dtype=object), blocks), arrow.string()),
            arrow.array(np.concatenate([each.width for each in coded])),
            arrow.array(np.concatenate([each.nothing for each in coded])),
            _binaries([each.cells for each in coded], [each.lengths for each in coded]),
            _binaries([numbers for _, numbers, _, _ in values], [lengths for _, _, lengths, _ in values]),
            arrow.LargeListArray.from_arrays(
                arrow.array(
                    _ends([each.counts * (kind == _STRING) for each, (kind, *_) in zip(coded, values, strict=True)])
                ),
                texts,
            ),
        ],
        schema=LAYOUT,
    )
    order = np.arange(len(columns) * blocks).reshape(len(columns), blocks).T.ravel()
    return whole.take(arrow.array(order))


def _values(coded: Coded) -> tuple[str, NDArray[np.uint8], NDArray[np.int64], Any]:
    """Of a column: its kind, its numbers as bytes, how many each block has of them, and its texts."""
    values = coded.values
    if isinstance(values.dtype, (pl.String, pl.Enum, pl.Categorical)):
        texts = cast("Any", values.cast(pl.String).rechunk()).to_arrow(compat_level=_OLDEST)
        return _STRING, np.zeros(0, dtype=np.uint8), coded.counts * 0, texts
    kind = str(cast("Any", values.clear()).to_arrow(compat_level=_OLDEST).type)
    physical = values.to_physical().fill_null(strategy="zero").to_numpy()
    numbers = np.ascontiguousarray(physical).view(np.uint8)
    return kind, numbers, coded.counts * physical.itemsize, arrow.array([], arrow.large_string())


def _binaries(parts: Sequence[NDArray[np.uint8]], lengths: Sequence[NDArray[np.int64]]) -> Any:
    ends = _ends(lengths)
    buffers = [None, arrow.py_buffer(ends), arrow.py_buffer(np.concatenate(parts))]
    return arrow.Array.from_buffers(arrow.large_binary(), ends.size - 1, buffers)


def _ends(lengths: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.concatenate(lengths))])


def _cells(part: Mapping[str, Any]) -> Any:
    """The cells of a column of a block."""
    codes = np.frombuffer(part["codes"], dtype=_CODES[part["width"]])
    is_null = codes == part["nothing"] if part["nothing"] != NONE else None
    if part["kind"] == _STRING:
        values = arrow.array(part["texts"], arrow.large_string())
        return arrow.DictionaryArray.from_arrays(arrow.array(codes.astype(np.int32), mask=is_null), values)
    if part["kind"] == "bool":
        values = arrow.array(np.frombuffer(part["numbers"], dtype=np.bool_))
    else:
        kind = arrow.type_for_alias(part["kind"])
        size = len(part["numbers"]) * 8 // kind.bit_width
        values = arrow.Array.from_buffers(kind, size, [None, arrow.py_buffer(part["numbers"])])
    return values.take(arrow.array(codes, mask=is_null))
