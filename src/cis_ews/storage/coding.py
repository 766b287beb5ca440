"""Cells as codes of the values that a block has: one compiled walk a column, for all blocks of a part.

A block of some hundred students has few different dates, marks or schools: a cell is then one byte, and a block takes
less to compress, and less room, than with its numbers and texts written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.compiling import compiled, inlined, read_only
from cis_ews.texts import codes_of

NONE = -1
_SMALL_BITS, _CODE_BITS = 16, 32
_CODE = (1 << _CODE_BITS) - 1
_BYTES = 1 << 8
_BYTE, _TWO_BYTES, _FOUR_BYTES = 1, 2, 4
_NOTHING = np.zeros(0, dtype=np.bool_)


class Layout(NamedTuple):
    """Which rows of a table go into which block. `rows`: their places in the table, block after block; those of block b
    are `rows[bounds[b]:bounds[b + 1]]`."""

    rows: NDArray[np.int32]
    bounds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column in codes. `cells`: the codes of all blocks, whole numbers of `width` bytes (1, 2 or 4 by block).

    `lengths`: bytes of each block in it. `nothing`: the code by block that stands for null, -1 where none is. `values`:
    what the codes stand for, block after block, `counts` of each: where it is `nothing`, null.
    """

    cells: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    width: NDArray[np.uint8]
    nothing: NDArray[np.int32]
    values: pl.Series
    counts: NDArray[np.int64]


class Coder:
    """Puts columns into codes; keeps what it needs to do so, for as many rows as the largest layout has."""

    def __init__(self, layouts: Sequence[Layout]) -> None:
        rows = max((layout.rows.size for layout in layouts), default=0)
        longest = max((int(np.diff(layout.bounds).max(initial=0)) for layout in layouts), default=0)
        slots = 1 << max(_SMALL_BITS, (2 * longest).bit_length())
        self._seen = _Seen(
            entries=np.zeros(slots, dtype=np.int64),
            keys=np.zeros(slots, dtype=np.uint64),
            block=np.zeros(longest, dtype=np.int32),
            shift=np.uint64(65 - slots.bit_length()),
        )
        self._cells, self._firsts = np.empty(rows * _FOUR_BYTES, np.uint8), np.empty(rows, np.int64)
        self._walks = 0

    def coded(self, column: pl.Series, layout: Layout) -> Coded:
        """A column of a table in codes: of numbers, dates, texts or categories."""
        coded = self._rows_coded(column, layout)
        return replace(coded, values=column.gather(coded.values))

    def said(self, codes: pl.Series, said: pl.DataFrame, layout: Layout) -> dict[str, Coded]:
        """The columns that whole numbers stand for, each the row of that number; those that are never null in the same
        codes. Then two codes of a block may stand for equal values."""
        coded = self._rows_coded(codes, layout)
        rows = codes.gather(coded.values)
        return {
            column.name: self.coded(column.gather(codes), layout)
            if column.null_count()
            else replace(coded, values=column.gather(rows))
            for column in said
        }

    def _rows_coded(self, column: pl.Series, layout: Layout) -> Coded:
        """A column in codes, with the row in which each value came up first in place of the values."""
        blocks = layout.bounds.size - 1
        told = _Told(
            seen=self._seen,
            walks=self._walks,
            cells=self._cells,
            firsts=self._firsts,
            lengths=np.empty(blocks, dtype=np.int64),
            width=np.empty(blocks, dtype=np.uint8),
            nothing=np.empty(blocks, dtype=np.int32),
            counts=np.empty(blocks, dtype=np.int64),
        )
        _walk(_keys(column), layout, told)
        self._walks += blocks
        return Coded(
            cells=self._cells[: told.lengths.sum()].copy(),
            lengths=told.lengths,
            width=told.width,
            nothing=told.nothing,
            values=pl.Series(self._firsts[: told.counts.sum()].copy()),
            counts=told.counts,
        )


def grouped(places: NDArray[np.int32], bounds: NDArray[np.int64]) -> tuple[Layout, NDArray[np.int64]]:
    """The rows of a table in the order of students, and how many each has.

    `places`: the student of each row by place, -1 for a row that is left out; rows of a student keep their order.
    `bounds`: where the students of each block begin, and one end more.
    """
    numbers = np.zeros(bounds[-1], dtype=np.int64)
    _count(places, numbers)
    ends = np.concatenate([[0], np.cumsum(numbers)])
    rows = np.empty(ends[-1], dtype=np.int32)
    _put(places, ends.copy(), rows)
    return Layout(rows=read_only(rows), bounds=read_only(ends[bounds])), numbers


class _Keys(NamedTuple):
    """The cells of a column as whole numbers, equal where cells are: `small` ones, or else `wide` ones.

    `is_null`: empty where none is.
    """

    small: NDArray[np.uint16]
    wide: NDArray[np.uint64]
    is_null: NDArray[np.bool_]


class _Seen(NamedTuple):
    """Where a walk finds the code of a key: at a small key itself, at the hash of a wide one or where it had to go on.

    `entries`: the code, above it the number of the walk that wrote it, so that nothing need be cleared. `keys`: of wide
    ones. `block`: the codes of the block that is walked over. `shift`: leaves of a hash what is a place in `entries`.
    """

    entries: NDArray[np.int64]
    keys: NDArray[np.uint64]
    block: NDArray[np.int32]
    shift: np.uint64


class _Told(NamedTuple):
    """What walks write down; see `Coded`. `firsts`: the row in which each value came up first. `walks`: there were."""

    seen: _Seen
    walks: int
    cells: NDArray[np.uint8]
    firsts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    width: NDArray[np.uint8]
    nothing: NDArray[np.int32]
    counts: NDArray[np.int64]


def _keys(column: pl.Series) -> _Keys:
    is_null = column.is_null().to_numpy() if column.null_count() else _NOTHING
    if column.dtype == pl.String:
        array, _ = codes_of(column)
    else:
        physical = column.to_physical()
        array = (physical.fill_null(strategy="zero") if column.null_count() else physical).to_numpy()
        array = array.view(np.uint8) if array.dtype == np.bool_ else array
    small, wide = np.zeros(0, dtype=np.uint16), np.zeros(0, dtype=np.uint64)
    if array.dtype.kind == "f":
        wide = array.astype(np.float64, copy=False).view(np.uint64)
    elif array.size and int(array.max()) - (lowest := int(array.min())) < 1 << _SMALL_BITS:
        small = (array - array.dtype.type(lowest)).astype(np.uint16)
    else:
        wide = array.astype(np.int64).view(np.uint64)
    return _Keys(*map(read_only, (small, wide, is_null)))


def put_by_block(content: NDArray[np.uint8], sizes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Bytes that lie column after column, in each block after block, laid block after block, in each column by column.

    `sizes`: how many bytes each column (a row) has in each block.
    """
    put = np.empty(content.size, dtype=np.uint8)
    _put_by_block(content, read_only(sizes), put)
    return put


@compiled
def _put_by_block(content: NDArray[np.uint8], sizes: NDArray[np.int64], put: NDArray[np.uint8]) -> None:
    columns, blocks = sizes.shape
    starts, at = np.empty(columns, np.int64), 0
    for column in range(columns):
        starts[column] = at
        at += sizes[column].sum()
    at = 0
    for block in range(blocks):
        for column in range(columns):
            size = sizes[column, block]
            put[at : at + size] = content[starts[column] : starts[column] + size]
            starts[column] += size
            at += size


@compiled
def _count(places: NDArray[np.int32], numbers: NDArray[np.int64]) -> None:
    for place in places:
        if place >= 0:
            numbers[place] += 1


@compiled
def _put(places: NDArray[np.int32], ends: NDArray[np.int64], rows: NDArray[np.int32]) -> None:
    for row in range(places.size):
        place = places[row]
        if place >= 0:
            rows[ends[place]] = row
            ends[place] += 1


@compiled
def _walk(keys: _Keys, layout: Layout, told: _Told) -> None:
    """Give the values of each block codes in the order in which they come up, and write the codes down."""
    (rows, bounds), seen, cells, firsts = layout, told.seen, 0, 0
    for block in range(bounds.size - 1):
        walk, count, nothing = told.walks + block + 1, 0, NONE
        size = bounds[block + 1] - bounds[block]
        for place in range(size):
            row = int(rows[bounds[block] + place])
            if keys.is_null.size and keys.is_null[row]:
                if nothing == NONE:
                    nothing = count
                    told.firsts[firsts + count] = row
                    count += 1
                seen.block[place] = nothing
                continue
            slot = np.int64(keys.small[row]) if keys.small.size else _slot_of(keys.wide[row], seen, walk)
            entry = seen.entries[slot]
            if entry >> _CODE_BITS != walk:
                entry = walk << _CODE_BITS | count
                seen.entries[slot] = entry
                told.firsts[firsts + count] = row
                count += 1
            seen.block[place] = entry & _CODE
        width = _BYTE if count <= _BYTES else _TWO_BYTES if count <= _BYTES * _BYTES else _FOUR_BYTES
        _write(seen.block[:size], width, told.cells[cells:])
        cells, firsts = cells + size * width, firsts + count
        told.lengths[block], told.width[block] = size * width, width
        told.nothing[block], told.counts[block] = nothing, count


@inlined
def _slot_of(key: np.uint64, seen: _Seen, walk: int) -> np.int64:
    """Where this walk has the key, or can put it, and then has it."""
    slot = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> seen.shift)
    while seen.entries[slot] >> _CODE_BITS == walk and seen.keys[slot] != key:
        slot = (slot + 1) & (seen.keys.size - 1)
    seen.keys[slot] = key
    return slot


@inlined
def _write(codes: NDArray[np.int32], width: int, cells: NDArray[np.uint8]) -> None:
    """Little-endian, `width` bytes a code."""
    if width == _BYTE:
        for place in range(codes.size):
            cells[place] = codes[place]
    else:
        for place in range(codes.size):
            for byte in range(width):
                cells[place * width + byte] = (codes[place] >> (8 * byte)) & 0xFF
