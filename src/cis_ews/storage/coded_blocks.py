"""Students and their rows in blocks, packed for many at once (docs/adr/0032-blocks-are-arrow-streams.md).

A block is an Arrow stream of the rows of `LAYOUT`, a column each, with zstd around it:

    name       student_id or another column of students; table, of which the cells are how many rows each student has;
               table.column
    kind       Arrow's name of the type of the values
    width      bytes of a code: 1, 2 or 4
    nothing    the code that stands for null; -1 where none is
    codes      a code a cell, little-endian: of the values in the order in which they come up; two may be equal
    numbers    the values, little-endian; a byte each where they are true or false
    texts      the values of kind string
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.schema.coded import CodedTable
from cis_ews.storage.arrays import of_numbers, of_truths, of_words
from cis_ews.storage.coding import NONE, Coded, Coder, Layout, grouped, put_by_block
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


def coded_batches(
    students: pl.DataFrame,
    sizes: Sequence[int],
    tables: Mapping[str, pl.DataFrame | CodedTable],
    *,
    fields: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Any]:
    """The records of students, a batch by `LAYOUT` a block.

    `students`: unique `student_id` first, in order, and what else there is one of a student. `sizes`: how many of them,
    one after the other, each block holds. `tables`: name -> rows with `student_id`, in any order; rows of others are
    left out, and those of a student keep theirs. `fields`: name -> the columns of a table in the order in which a list
    has them; as they stand in the table if it is not named.

    Raises ValueError where the blocks do not hold every student.
    """
    if sum(sizes) != students.height:
        raise ValueError(f"blocks of {sum(sizes)} students were asked for, and {students.height} given")
    known = {name: table if isinstance(table, CodedTable) else CodedTable(table, {}) for name, table in tables.items()}
    bounds = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    everyone = Layout(rows=np.arange(students.height, dtype=np.int32), bounds=bounds)
    by_table = {name: grouped(student_places(table, students[_KEY]), bounds) for name, table in known.items()}
    coder = Coder([everyone, *(layout for layout, _ in by_table.values())])
    columns = {column.name: coder.coded(column, everyone) for column in students}
    for name, (layout, numbers) in by_table.items():
        columns[name] = coder.coded(pl.Series(numbers.astype(np.int32)), everyone)
        found = _of_table(known[name], layout, coder)
        columns |= {f"{name}.{field}": found[field] for field in (fields or {}).get(name, found)}
    yield from _batches(columns, blocks=len(sizes))


def student_places(table: CodedTable, students: pl.Series) -> NDArray[np.int32]:
    """The place of the student of each row among `students`, each of whom is there once; -1 where there is none."""
    for code, said in table.said.items():
        if _KEY in said.columns:
            return places_of(said[_KEY], students)[table.rows[code]]
    return places_of(table.rows[_KEY], students)


def _of_table(table: CodedTable, layout: Layout, coder: Coder) -> dict[str, Coded]:
    """The columns of a table but `student_id`."""
    columns: dict[str, Coded] = {}
    for column in table.rows:
        said = table.said.get(column.name, column.to_frame()).drop(_KEY, strict=False)
        if column.name in table.said and said.width:
            columns |= coder.said(column, said, layout)
        elif said.width:
            columns[column.name] = coder.coded(column, layout)
    return columns


def rows_of(batch: Any, columns: Sequence[str] | None = None) -> Any:
    """The rows of a block by `LAYOUT`, as an Arrow table: a row a student, a list a table; or those columns it has."""
    places = {name: place for place, name in enumerate(batch.column("name").to_pylist())}
    lists: dict[str, Any] = {}
    for name, place in places.items():
        if "." in name or (columns is not None and name not in columns):
            continue
        lists[name] = cells = _cells(batch, place)
        fields = {
            each.partition(".")[2]: _cells(batch, within)
            for each, within in places.items()
            if each.startswith(f"{name}.")
        }
        if fields:
            ends = np.concatenate([[0], np.cumsum(cast("Any", pl).from_arrow(cells).to_numpy())]).astype(np.int32)
            struct = arrow.StructArray.from_arrays(list(fields.values()), names=list(fields))
            lists[name] = arrow.ListArray.from_arrays(of_numbers(ends), struct)
    return arrow.table(lists)


def _batches(columns: Mapping[str, Coded], *, blocks: int) -> Iterator[Any]:
    """By `LAYOUT`, each of buffers of its own: of longer ones the writer takes more than is in the batch."""
    coded = list(columns.values())
    values = [_values(each) for each in coded]
    names, kinds = of_words(list(columns)), of_words([each.kind for each in values])
    width, nothing = (np.array([getattr(each, name) for each in coded]).T.ravel() for name in ("width", "nothing"))
    codes = _Cells.of([each.cells for each in coded], np.array([each.lengths for each in coded]))
    numbers = _Cells.of([each.numbers for each in values], np.array([each.sizes for each in values]))
    texts = _Texts.of(values)
    for block in range(blocks):
        cells = slice(block * len(coded), (block + 1) * len(coded))
        yield arrow.RecordBatch.from_arrays(
            [
                names,
                kinds,
                of_numbers(width[cells]),
                of_numbers(nothing[cells]),
                codes.array(arrow.large_binary(), cells),
                numbers.array(arrow.large_binary(), cells),
                texts.array(cells),
            ],
            schema=LAYOUT,
        )


class _Values(NamedTuple):
    """What the codes of a column stand for, block after block.

    `numbers`: the bytes of numbers; `sizes`: of each block. `texts`: the bytes of texts; `lengths`: of each text;
    `counts`: how many texts each block has.
    """

    kind: str
    numbers: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    texts: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    counts: NDArray[np.int64]


def _values(coded: Coded) -> _Values:
    values, none, nobody = coded.values, np.zeros(0, dtype=np.uint8), coded.counts * 0
    if isinstance(values.dtype, (pl.String, pl.Enum, pl.Categorical)):
        texts = cast("Any", values.cast(pl.String).rechunk()).to_arrow(compat_level=_OLDEST)
        _, ends, content = texts.buffers()
        ends = np.frombuffer(ends, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
        content = np.frombuffer(content or b"", dtype=np.uint8)[ends[0] : ends[-1]]
        return _Values(_STRING, none, nobody, content, np.diff(ends), coded.counts)
    kind = str(cast("Any", values.clear()).to_arrow(compat_level=_OLDEST).type)
    physical = values.to_physical().fill_null(strategy="zero").to_numpy()
    numbers = np.ascontiguousarray(physical).view(np.uint8)
    return _Values(kind, numbers, coded.counts * physical.itemsize, none, none.astype(np.int64), nobody)


class _Cells(NamedTuple):
    """Cells of so and so many bytes, block after block, in each column by column. `ends`: where they end, from 0 on."""

    ends: NDArray[np.int64]
    content: NDArray[np.uint8]

    @classmethod
    def of(cls, columns: Sequence[NDArray[np.uint8]], sizes: NDArray[np.int64]) -> _Cells:
        """Of columns that each have all their blocks; `sizes`: the bytes of each column (a row) in each block."""
        return cls(_ends(sizes.T.ravel()), put_by_block(np.concatenate(columns), sizes))

    def array(self, kind: Any, cells: slice) -> Any:
        """Cells that lie next to each other."""
        ends = self.ends[cells.start : cells.stop + 1]
        buffers = [None, arrow.py_buffer(ends - ends[0]), arrow.py_buffer(self.content[ends[0] : ends[-1]])]
        return arrow.Array.from_buffers(kind, ends.size - 1, buffers)


class _Texts(NamedTuple):
    """Cells of so and so many texts each, in the same order. `ends`: where they end in the texts."""

    ends: NDArray[np.int64]
    texts: _Cells

    @classmethod
    def of(cls, columns: Sequence[_Values]) -> _Texts:
        """Of the texts of columns that each have all their blocks."""
        counts, lengths = (
            np.array([each.counts for each in columns]),
            np.concatenate([each.lengths for each in columns]),
        )
        bytes_before = _ends(lengths)[_ends(counts.ravel())]
        texts = _Cells.of([each.texts for each in columns], np.diff(bytes_before).reshape(counts.shape))
        by_block = put_by_block(lengths.view(np.uint8), counts * lengths.itemsize).view(np.int64)
        return cls(_ends(counts.T.ravel()), _Cells(_ends(by_block), texts.content))

    def array(self, cells: slice) -> Any:
        """Cells that lie next to each other, as lists of texts."""
        ends = self.ends[cells.start : cells.stop + 1]
        texts = self.texts.array(arrow.large_string(), slice(ends[0], ends[-1]))
        return arrow.LargeListArray.from_arrays(of_numbers(ends - ends[0]), texts)


def _ends(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each ends, from 0 on."""
    return np.concatenate([[0], np.cumsum(lengths)])


def _cells(batch: Any, place: int) -> Any:
    """The cells of a column of a block."""
    part = {name: batch.column(name)[place] for name in LAYOUT.names}
    width, nothing, kind = (part[name].as_py() for name in ("width", "nothing", "kind"))
    codes = np.frombuffer(part["codes"].as_buffer(), dtype=_CODES[width])
    places = of_numbers(codes, is_null=codes == nothing if nothing != NONE else None)
    if kind == _STRING:
        return part["texts"].values.take(places)
    content = part["numbers"].as_buffer()
    if kind == "bool":
        values = of_truths(np.frombuffer(content, dtype=np.bool_))
    else:
        dtype = arrow.type_for_alias(kind)
        values = arrow.Array.from_buffers(dtype, content.size * 8 // dtype.bit_width, [None, content])
    return values.take(places)
