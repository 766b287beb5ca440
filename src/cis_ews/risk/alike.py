"""Rows that are alike in some columns: what is said of them in words is put together once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.compiling import compiled

Bits = NDArray[np.uint64]
Rows = NDArray[np.int64]
Codes = NDArray[np.int32]
NULL = np.uint64(0x7FF8_0000_0000_0001)
"""The bits of null: of a NaN that no arithmetic makes."""
_NULL = float(NULL.view(np.float64))
_MIX, _FOLD = np.uint64(0x9E37_79B9_7F4A_7C15), np.uint64(32)


class Kinds(NamedTuple):
    """`codes`: the kind of each row that was asked for. `firsts`: the first row of each kind."""

    codes: Codes
    firsts: Rows


class Columns:
    """Columns of a frame as bits: those of a number as Float64, of a text those of its place among the `texts` of its
    column."""

    def __init__(self, frame: pl.DataFrame, names: Iterable[str]) -> None:
        chosen = frame.select(*dict.fromkeys(names))
        said = [name for name, dtype in chosen.schema.items() if isinstance(dtype, pl.String | pl.Enum)]
        texts = {name: chosen.get_column(name).cast(pl.String) for name in said}
        self.texts = {name: column.drop_nulls().unique() for name, column in texts.items()}
        places = [column.cast(pl.Enum(self.texts[name])).to_physical() for name, column in texts.items()]
        numbers = chosen.with_columns(places).select(pl.all().cast(pl.Float64).fill_null(_NULL))
        self._bits: dict[str, Bits] = {column.name: column.to_numpy().view(np.uint64) for column in numbers}

    def bits(self, name: str) -> Bits:
        """The bits of a column, NULL where it is null."""
        return self._bits[name]

    def kinds(self, names: Sequence[str], rows: Rows) -> Kinds:
        """Which of these rows are the same in these columns, to the last bit."""
        if not names:
            return Kinds(np.zeros(rows.size, dtype=np.int32), rows[:1])
        codes, firsts = kinds_of(np.stack([self._bits[name][rows] for name in names]))
        return Kinds(codes, rows[firsts])


@compiled
def kinds_of(bits: Bits) -> tuple[Codes, Rows]:
    """The kind of each column of `bits`, in the order in which they come, and the first column of each kind."""
    rows = bits.shape[1]
    size = 16
    while size < 2 * rows:
        size *= 2
    kind_at = np.full(size, -1, dtype=np.int32)
    codes, firsts, found = np.empty(rows, dtype=np.int32), np.empty(rows, dtype=np.int64), 0
    for row in range(rows):
        mixed = np.uint64(0)
        for part in range(bits.shape[0]):
            mixed = (mixed ^ bits[part, row]) * _MIX
            mixed ^= mixed >> _FOLD
        place = np.int64(mixed & np.uint64(size - 1))
        while True:
            kind = kind_at[place]
            if kind < 0:
                kind_at[place], codes[row], firsts[found] = found, found, row
                found += 1
                break
            same = True
            for part in range(bits.shape[0]):
                same &= bits[part, row] == bits[part, firsts[kind]]
            if same:
                codes[row] = kind
                break
            place = (place + 1) & (size - 1)
    return codes, firsts[:found].copy()
