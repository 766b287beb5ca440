"""A source's codes become values of the contract; codes that nobody mapped stop the night, with their counts.

Codes are vocabulary and may be shown, but a mapping can name the wrong column, and then a "code" is a student's name.
So a code is shown only where its column behaves like a vocabulary: few distinct values, and either most rows mapped or
every code shared by several students; and a single code only if it is short and without blanks, or shared by several
students. The others are counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from cis_ews.errors import UnmappedCodesError
from cis_ews.wording import counted

Plain = str | int | float | bool
HINT = "add them under `codes` in the mapping"
MAX_DISTINCT = 30
MIN_STUDENTS = 3
_SHORT = re.compile(r"[A-Za-z0-9_+/-]{1,8}")
_WORDS = re.compile(r"[A-Za-z0-9 _+/&().,:-]{1,40}")


def plain_text(value: Plain) -> str:
    """A value of a TOML as the text of a cell."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmappedCodes:
    """The codes of one column that its mapping does not know: those that may be shown, and how many others."""

    column: str
    shown: Mapping[str, int]
    hidden_codes: int = 0
    hidden_rows: int = 0

    def __str__(self) -> str:
        parts = [f"{code} ({counted(rows, 'row')})" for code, rows in self.shown.items()]
        if self.hidden_codes:
            hidden = counted(
                self.hidden_codes, "value that may be personal and is", "values that may be personal and are"
            )
            parts.append(f"{hidden} not shown ({counted(self.hidden_rows, 'row')})")
        return f"{self.column}: {', '.join(parts)}"


def translated(cell: pl.Expr, codes: Mapping[str, Plain]) -> pl.Expr:
    """A text cell by its code; null where it is empty or not mapped."""
    values = {code.strip(): plain_text(value) for code, value in codes.items()}
    return cell.str.strip_chars().replace_strict(values, default=None, return_dtype=pl.String)


def unmapped_codes(column: str, cells: pl.DataFrame, codes: Mapping[str, Plain]) -> UnmappedCodes | None:
    """What a column holds beyond its codes. `cells`: text columns `code` and `student`."""
    filled = cells.with_columns(pl.col("code").str.strip_chars()).filter(pl.col("code") != "")
    known = pl.col("code").is_in([code.strip() for code in codes])
    counts = (
        filled.filter(~known)
        .group_by("code")
        .agg(pl.len().alias("rows"), pl.col("student").n_unique().alias("students"))
        .sort("rows", "code", descending=[True, False])
    )
    if counts.is_empty():
        return None
    unmapped_rows, fewest = int(counts["rows"].sum()), counts["students"].min()
    shared = isinstance(fewest, int) and fewest >= MIN_STUDENTS
    vocabulary = counts.height <= MAX_DISTINCT and (shared or 2 * unmapped_rows <= filled.height)
    shown = {code: rows for code, rows, students in counts.iter_rows() if vocabulary and _may_show(code, students)}
    return UnmappedCodes(
        column=column,
        shown=shown,
        hidden_codes=counts.height - len(shown),
        hidden_rows=unmapped_rows - sum(shown.values()),
    )


def _may_show(code: str, students: int) -> bool:
    return bool(_SHORT.fullmatch(code) or (students >= MIN_STUDENTS and _WORDS.fullmatch(code)))


def refuse_unmapped(found: list[UnmappedCodes], *, who: str = "the mapping", hint: str = HINT) -> None:
    """Stop with every unmapped code of every table. `who` does not know them. Raises UnmappedCodesError."""
    if not found:
        return
    raise UnmappedCodesError(
        f"{counted(len(found), 'column holds', 'columns hold')} "
        f"codes that {who} does not know: {'; '.join(str(each) for each in found)}",
        hint=hint,
        codes={each.column: dict(each.shown) for each in found},
        not_shown={each.column: {"codes": each.hidden_codes, "rows": each.hidden_rows} for each in found},
    )
