"""What reading one file gives, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead:
    """One file: its known columns, the number of each row, the numbers of rows that are no rows, its SHA-256.

    `is_marked`: whether it begins with a byte order mark, though it is UTF-8.
    """

    frame: pl.DataFrame
    row_numbers: pl.Series
    sha256: str
    ragged: tuple[int, ...] = ()
    unknown_columns: int = 0
    notes: tuple[str, ...] = ()
    is_marked: bool = False

    @property
    def rows(self) -> int:
        """Rows in the file, the ragged ones among them."""
        return len(self.row_numbers) + len(self.ragged)
