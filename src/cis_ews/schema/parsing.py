"""Cells become the types of the contract; what cannot be read is named by a rule and never shown.

Every conversion is non-strict: a cell that does not convert becomes null, and a mask says which rule it broke. So no
library error can carry a cell value.

| rule | the cell |
|---|---|
| `missing` | is empty, in a column that must be filled |
| `unreadable_date` | is no date in the form 2026-02-27 |
| `unreadable_number` | is no number, or a fraction where a whole number is due |
| `unreadable_boolean` | is none of true, t, yes, y, 1, false, f, no, n, 0 |
| `unknown_code` | is not in the vocabulary of its column |
| `out_of_range` | is below or above what its column allows; a date before 1900 or after 2100 |
| `too_long` | is a text of more than 500 characters |
| `null_character` | is a text with the character U+0000, which PostgreSQL cannot hold |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

import dataframely as dy
import polars as pl

from cis_ews.errors import SchemaError
from cis_ews.texts import surely_fit

MAX_TEXT_LENGTH = 500
EARLIEST_DATE = date(1900, 1, 1)
LATEST_DATE = date(2100, 12, 31)
DATE_FORMAT = "%Y-%m-%d"
BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
MASK = "|"  # a mask column is named `rule|column`; no column of the contract contains the character

_SOURCES: Mapping[str, tuple[type[pl.DataType], ...]] = {
    "text": (pl.String, pl.Categorical, pl.Enum),
    "date": (pl.Date,),
    "datetime": (pl.Datetime,),
    "boolean": (pl.Boolean,),
    "empty": (pl.Null,),
}
UNREADABLE_DATE = "unreadable_date"
_FILLED = "filled"
_UNREADABLE: Mapping[str, str] = {
    "date": UNREADABLE_DATE,
    "boolean": "unreadable_boolean",
    "integer": "unreadable_number",
    "number": "unreadable_number",
    "code": "unknown_code",
}


@dataclass(frozen=True, slots=True)
class _Cell:
    """One column of one table: what the source holds and what the contract asks for."""

    name: str
    column: dy.Column
    source: str
    target: str

    @property
    def content(self) -> pl.Expr:
        """The cell as it came; a text without a visible character is null. Ids and words keep their spaces."""
        if self.source != "text":
            return pl.col(self.name)
        text = pl.col(self.name).cast(pl.String)
        stripped = text.str.strip_chars()
        return pl.when(stripped != "").then(text if self.target == "text" else stripped)

    @property
    def filled(self) -> pl.Expr:
        """Whether there is any content, kept beside the value that replaces it."""
        return pl.col(self.name).is_not_null().alias(f"{_FILLED}{MASK}{self.name}")

    @property
    def value(self) -> pl.Expr:
        """The content in the widest type of its kind; null where it cannot be read."""
        value = _CONVERSIONS[self.source, self.target](pl.col(self.name))
        exact = self.target == "code" or self.source == "empty"
        return value.cast(self.column.dtype, strict=False) if exact else value

    def is_plain(self, cells: pl.Series) -> bool:
        """Whether no cell of a column breaks a rule or needs more than a cast: seen from its extremes, or from its
        different texts, which are few. A column of which this is not known is looked at cell by cell."""
        if cells.null_count() and not self.column.nullable:
            return False
        if self.target == "text" and cells.dtype == pl.String and surely_fit(cells):
            return True
        if self.source == "text" and self.target in ("text", "code"):
            return self._is_plain_text(cells.unique().cast(pl.String).drop_nulls())
        if self.source != self.target or self.source not in ("date", "boolean", "integer", "number"):
            return False
        lowest, highest = _range(self.column, self.target)
        if self.source == "number" and not (cells.dtype.is_float() and cells.is_finite().all()):
            return False
        least, most = cells.min(), cells.max()
        return least is None or ((lowest is None or lowest <= least) and (highest is None or most <= highest))

    def _is_plain_text(self, texts: pl.Series) -> bool:
        if self.target == "code":
            known: pl.Enum = self.column.dtype  # pyright: ignore[reportAssignmentType] - that is what a code is
            return set(texts) <= set(known.categories)
        is_fit = (
            (texts.str.strip_chars() != "")
            & (texts.str.len_chars() <= MAX_TEXT_LENGTH)
            & ~texts.str.contains("\0", literal=True)
        )
        return bool(is_fit.all())

    def masks(self) -> Iterator[pl.Expr]:
        """One Boolean expression over the value for each rule that the cell can break."""
        filled, value = pl.col(f"{_FILLED}{MASK}{self.name}"), pl.col(self.name)
        if not self.column.nullable:
            yield self._mask("missing", ~filled)
        if self.target in _UNREADABLE:
            yield self._mask(_UNREADABLE[self.target], filled & value.is_null())
        if self.target == "text":
            yield self._mask("too_long", value.str.len_chars() > MAX_TEXT_LENGTH)
            yield self._mask("null_character", value.str.contains("\0", literal=True))
        lowest, highest = _range(self.column, self.target)
        if lowest is not None and highest is not None:
            yield self._mask("out_of_range", ~value.is_between(lowest, highest))

    def _mask(self, rule: str, fails: pl.Expr) -> pl.Expr:
        return fails.fill_null(value=False).alias(f"{rule}{MASK}{self.name}")


def parse_columns(table: str, schema: type[dy.Schema], raw: pl.DataFrame) -> pl.DataFrame:
    """The columns of the contract in its types, and one Boolean mask `rule|column` for each rule that a cell can break.

    Columns that `raw` lacks become null: the caller has made sure that they may be. Columns that the schema does not
    know are passed through. Raises SchemaError where a typed column (from Parquet or memory) is of the wrong kind.
    """
    columns = schema.columns()
    given = [_cell(table, name, column, dtype=raw.schema[name]) for name, column in columns.items() if name in raw]
    absent = [pl.lit(None, dtype=column.dtype).alias(name) for name, column in columns.items() if name not in raw]
    cells = [cell for cell in given if not cell.is_plain(raw.get_column(cell.name))]
    # Step by step, so that no conversion is computed once more for each rule that looks at it.
    contents = raw.with_columns(cell.content.alias(cell.name) for cell in cells)
    values = contents.with_columns(*(cell.filled for cell in cells), *(cell.value.alias(cell.name) for cell in cells))
    marked = values.with_columns(mask for cell in cells for mask in cell.masks())
    narrow = [pl.col(cell.name).cast(cell.column.dtype, strict=False) for cell in given]
    return marked.drop(f"{_FILLED}{MASK}{cell.name}" for cell in cells).with_columns(*narrow, *absent)


def _cell(table: str, name: str, column: dy.Column, *, dtype: pl.DataType) -> _Cell:
    cell = _Cell(name, column, source=_source_kind(dtype), target=_target_kind(column.dtype))
    if (cell.source, cell.target) not in _CONVERSIONS:
        raise SchemaError(
            f"{table}: column {name} is of type {dtype.base_type().__name__}",
            hint="write it as text" if cell.target == "text" else f"write it as {cell.target} or as text",
            table=table,
            column=name,
        )
    return cell


def _source_kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return "integer" if dtype.is_integer() else "number"
    return next((kind for kind, types in _SOURCES.items() if isinstance(dtype, types)), "other")


def _target_kind(dtype: pl.DataType) -> str:
    return "code" if isinstance(dtype, pl.Enum) else _source_kind(dtype)


def _range(column: dy.Column, target: str) -> tuple[Any, Any]:
    if target == "date":
        return EARLIEST_DATE, LATEST_DATE
    return getattr(column, "min", None), getattr(column, "max", None)


def _same(value: pl.Expr) -> pl.Expr:
    return value


def _to_text(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.String)


def _text_to_date(value: pl.Expr) -> pl.Expr:
    return value.str.to_date(DATE_FORMAT, strict=False)


def _datetime_to_date(value: pl.Expr) -> pl.Expr:
    return pl.when(value.dt.time() == time(0)).then(value.dt.date())


def _text_to_boolean(value: pl.Expr) -> pl.Expr:
    lowered = value.str.to_lowercase()
    return lowered.replace_strict(dict(BOOLEANS), default=None, return_dtype=pl.Boolean)


def _integer_to_boolean(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_between(0, 1)).then(value == 1)


def _to_integer(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Int64, strict=False)


def _number_to_integer(value: pl.Expr) -> pl.Expr:
    return pl.when(value == value.floor()).then(_to_integer(value))


def _to_number(value: pl.Expr) -> pl.Expr:
    number = value.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


_CONVERSIONS: Mapping[tuple[str, str], Callable[[pl.Expr], pl.Expr]] = {
    ("text", "text"): _same,
    ("integer", "text"): _to_text,
    ("text", "code"): _same,
    ("integer", "code"): _to_text,
    ("text", "date"): _text_to_date,
    ("date", "date"): _same,
    ("datetime", "date"): _datetime_to_date,
    ("text", "boolean"): _text_to_boolean,
    ("boolean", "boolean"): _same,
    ("integer", "boolean"): _integer_to_boolean,
    ("text", "integer"): _to_integer,
    ("integer", "integer"): _to_integer,
    ("number", "integer"): _number_to_integer,
    ("text", "number"): _to_number,
    ("integer", "number"): _to_number,
    ("number", "number"): _to_number,
    **{("empty", target): _same for target in ("text", "code", "date", "boolean", "integer", "number")},
}
