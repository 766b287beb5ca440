"""Tables whose texts repeat: rows of numbers, and what the numbers stand for, each said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.texts import places_of


@dataclass(frozen=True, slots=True)
class CodedTable:
    """A table some of whose columns are said by codes.

    `rows`: columns of the table and codes, which are whole numbers and never null. `said`: for each code, a frame of
    further columns of the table, which stand in place of the code: those of the row of that number.
    """

    rows: pl.DataFrame
    said: Mapping[str, pl.DataFrame]

    @classmethod
    def of(cls, frame: pl.DataFrame, codes: Mapping[str, Sequence[str]]) -> CodedTable:
        """Any table as a coded one; `codes`: for each code the columns that it says, next to each other."""
        said = {code: frame.select(columns).unique(maintain_order=True) for code, columns in codes.items()}
        rows = {
            code: frame.select(columns)
            .join(said[code].with_row_index(code), on=columns, how="left", nulls_equal=True, maintain_order="left")
            .get_column(code)
            for code, columns in codes.items()
        }
        code_of = {column: code for code, columns in codes.items() for column in columns}
        names = dict.fromkeys(code_of.get(column, column) for column in frame.columns)
        return cls(pl.DataFrame([rows[name] if name in rows else frame.get_column(name) for name in names]), said)

    @classmethod
    def concat(cls, tables: Sequence[CodedTable]) -> CodedTable:
        """Tables of the same columns one after the other; in full where they do not have the same codes."""
        shapes = {(tuple(table.rows.columns), frozenset(table.said)) for table in tables}
        if len(shapes) > 1:
            return cls(pl.concat([table.decoded() for table in tables]), {})
        rows, said = [table.rows for table in tables], dict[str, pl.DataFrame]()
        for code in tables[0].said:
            frames = [table.said[code] for table in tables]
            firsts = accumulate((frame.height for frame in frames), initial=0)
            rows = [
                some.with_columns(pl.col(code).cast(pl.Int64) + first)
                for some, first in zip(rows, firsts, strict=False)
            ]
            said[code] = pl.concat(frames)
        return cls(pl.concat(rows), said)

    def decoded(self) -> pl.DataFrame:
        """The table in full."""
        columns: list[pl.Series] = []
        for column in self.rows:
            said = self.said.get(column.name)
            columns += [column] if said is None else said[column].get_columns()
        return pl.DataFrame(columns)


def rows_among(ids: pl.Series, among: pl.Series) -> NDArray[np.int64]:
    """The row of each id among others, of which none stands twice; -1 where it is not among them."""
    return np.arange(len(ids)) if ids.equals(among) else places_of(ids, among).astype(np.int64)
