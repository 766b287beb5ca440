"""One table of a mapping: the source's columns become the contract's, still as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import polars as pl

from cis_ews.errors import SchemaError
from cis_ews.readers.base import written_days
from cis_ews.readers.codes import UnmappedCodes, plain_text, translated, unmapped_codes
from cis_ews.readers.mapping_config import TableMapping
from cis_ews.schema.parsing import DATE_FORMAT, EARLIEST_DATE, LATEST_DATE
from cis_ews.schema.school_data import TABLES
from cis_ews.wording import counted

PLACE = ("file", "row_number")
UNREADABLE = "?"  # in place of a date in no format that was declared: the contract then rejects it


def map_columns(
    table: str, mapping: TableMapping, source: pl.DataFrame, *, school_year_starts: str, as_of: date | None = None
) -> tuple[pl.DataFrame, list[UnmappedCodes]]:
    """The contract's columns as text with their places; and the codes that no mapping knows, in rows up to `as_of`.

    Raises SchemaError where the source has no column that the mapping names.
    """
    missing = sorted({name for name in mapping.columns.values() if name not in source.columns})
    if missing:
        lacking = counted(len(missing), "column that the mapping names is", "columns that the mapping names are")
        raise SchemaError(
            f"{table}: {lacking} not in the files: {', '.join(missing)}",
            hint="correct the mapping, or the export",
            table=table,
            columns=missing,
        )
    cells = source.with_columns(_as_text(name, source.schema[name]) for name in source.columns if name not in PLACE)
    mapped = cells.select(
        *(_cell(table, column, name, mapping=mapping).alias(column) for column, name in mapping.columns.items()),
        *(pl.lit(plain_text(value)).alias(column) for column, value in mapping.constants.items()),
        pl.col("file"),
        pl.col("row_number").cast(pl.Int64),
    )
    if mapping.school_year_from:
        year = school_year(as_date(mapping.school_year_from), school_year_starts)
        mapped = mapped.with_columns(year.cast(pl.String).alias("school_year"))
    return mapped, list(_unmapped(table, mapping, cells.filter(~is_later(table, mapped, as_of))))


def is_later(table: str, mapped: pl.DataFrame, as_of: date | None) -> pl.Series:
    """Which rows of a mapped table are dated after a day; none where there is no such day."""
    if as_of is None:
        return pl.repeat(False, mapped.height, dtype=pl.Boolean, eager=True)
    return (written_days(table, mapped) > as_of).fill_null(value=False)


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column of a Parquet source as text; a time of day at midnight is a date."""
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).dt.to_string("%Y-%m-%d %H:%M:%S").str.strip_suffix(" 00:00:00")
    return pl.col(name).cast(pl.String, strict=False)


def _cell(table: str, column: str, name: str, *, mapping: TableMapping) -> pl.Expr:
    cell = pl.col(name)
    if column in mapping.codes:
        cell = translated(cell, mapping.codes[column])
    if TABLES[table].columns()[column].dtype == pl.Date:
        cell = _iso_date(cell, mapping.date_formats)
    if column in mapping.factors:
        cell = _scaled(cell, mapping.factors[column])
    if column in mapping.defaults:
        filled = pl.when(cell.str.strip_chars() != "").then(cell)
        cell = filled.fill_null(plain_text(mapping.defaults[column]))
    return cell


def _iso_date(cell: pl.Expr, formats: tuple[str, ...]) -> pl.Expr:
    text = cell.str.strip_chars()
    day = pl.coalesce(text.str.to_date(each, strict=False) for each in formats)
    plausible = pl.when(day.is_between(EARLIEST_DATE, LATEST_DATE)).then(day)
    return pl.when(text != "").then(plausible.dt.to_string(DATE_FORMAT).fill_null(UNREADABLE))


def _scaled(cell: pl.Expr, factor: float) -> pl.Expr:
    number = cell.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.coalesce((number * factor).cast(pl.String), cell)


def _unmapped(table: str, mapping: TableMapping, cells: pl.DataFrame) -> Iterator[UnmappedCodes]:
    student = mapping.columns.get("student_id")
    owner = pl.col(student) if student else pl.col("row_number")
    for column, codes in mapping.codes.items():
        pairs = cells.select(pl.col(mapping.columns[column]).alias("code"), owner.alias("student"))
        found = unmapped_codes(f"{table}.{column}", pairs, codes)
        if found:
            yield found


def as_date(column: str) -> pl.Expr:
    """A mapped date column as dates."""
    return pl.col(column).str.to_date(DATE_FORMAT, strict=False)


def school_year(day: pl.Expr, starts: str) -> pl.Expr:
    """The school year of a day: the calendar year in which it ends, where a new one begins on `starts` (month-day)."""
    begun = day.dt.to_string("%m-%d") >= starts
    return day.dt.year() + pl.when(begun).then(1).otherwise(0)


def merge_days(mapped: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Several rows of one student, school and day become one; and how many rows that takes away.

    `fraction_absent` is the mean over the rows of the day: an absence in one period of four is a quarter of a day. The
    status is the weightiest of the day: unexcused, then excused, then tardy, then present. Rows whose student, school,
    date, status or fraction is not readable stay as they are: the contract rejects them one by one.
    """
    fraction = pl.col("fraction_absent").cast(pl.Float64, strict=False)
    key = ("student_id", "school_id", "date")
    filled = pl.all_horizontal(pl.col(*key, "status").str.strip_chars().fill_null("") != "")
    whole = filled & fraction.is_not_null() & (pl.col("date") != UNREADABLE)
    readable, rest = mapped.filter(whole), mapped.filter(~whole)
    weight = pl.col("status").replace_strict(_WEIGHTS, default=len(_WEIGHTS), return_dtype=pl.Int8)
    others = [name for name in mapped.columns if name not in (*key, "status", "fraction_absent")]
    days = readable.group_by(key, maintain_order=True).agg(
        pl.col("status").sort_by(weight, maintain_order=True).first(),
        fraction.mean().cast(pl.String),
        *(pl.col(name).first() for name in others),
    )
    return pl.concat([days.select(mapped.columns), rest]), readable.height - days.height


_WEIGHTS: Mapping[str, int] = {"unexcused": 0, "excused": 1, "tardy": 2, "present": 3}
