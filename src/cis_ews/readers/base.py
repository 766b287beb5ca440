"""What every reader needs: its options, one file read by its format, many files of one table made one frame."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from cis_ews.errors import ReadError, SchemaError
from cis_ews.progress import SILENT, Progress
from cis_ews.readers.columnar import read_parquet
from cis_ews.readers.delimited import read_delimited
from cis_ews.readers.file_read import FileRead
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry
from cis_ews.schema.coverage import known_days
from cis_ews.schema.parsing import DATE_FORMAT
from cis_ews.schema.rows import rejected
from cis_ews.schema.school_data import SourceFile
from cis_ews.schema.validation import EVENTS
from cis_ews.wording import counted

RAGGED = "ragged_row"
# A district without one recorded absence or mark is a failed export; without an incident it may be a good month.
NEVER_EMPTY = ("attendance_events", "course_grades")
TEXT_SUFFIXES = (".csv", ".csv.gz", ".txt", ".tsv", ".tab")
"""Of delimited text; the plain format has the first two alone, others are read where a mapping names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a source is read. `tolerance`: share of a table's rows that may be rejected, None for the reader's own.

    `as_of`: the day as of which a night scores; a reader that makes one row of several needs it, so that a later one
    changes nothing. None: everything is read. `tables`: those that are asked of a source that stands beside others, and
    need not tell of a whole district; None: it stands alone.
    """

    tolerance: float | None = None
    as_of: date | None = None
    tables: frozenset[str] | None = None
    limits: ReadLimits = field(default_factory=ReadLimits)
    progress: Progress = SILENT

    def asks(self, table: str) -> bool:
        """Whether a table is asked of the source."""
        return self.tables is None or table in self.tables


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRead:
    """One table of a source: its rows with `file` and `row_number`, ragged rows as rejections, files, notes."""

    frame: pl.DataFrame
    rejections: pl.DataFrame
    files: tuple[SourceFile, ...]
    notes: tuple[str, ...]


def read_file(
    entry: Entry,
    *,
    known_columns: Collection[str],
    limits: ReadLimits,
    encoding: str | None = None,
    delimiter: str | None = None,
    takes_surplus: bool = False,
    types: Mapping[str, pl.Categorical] | None = None,
) -> FileRead:
    """One file by its suffix. `encoding` and the following: as `read_delimited` has them, for delimited text alone."""
    if entry.suffix == ".parquet":
        return read_parquet(entry, known_columns=known_columns, limits=limits)
    if entry.name.lower().endswith(TEXT_SUFFIXES):
        return read_delimited(
            entry,
            known_columns=known_columns,
            limits=limits,
            encoding=encoding,
            delimiter=delimiter,
            takes_surplus=takes_surplus,
            types=types,
        )
    raise ReadError(f"{entry.name}: the file is neither CSV nor Parquet", hint="export it as CSV", file=entry.name)


def join_files(table: str, entries: Sequence[Entry], reads: Sequence[FileRead]) -> TableRead:
    """The files of one table as one frame, in the order given. Raises SchemaError where their columns differ."""
    parts = [_with_place(read, entry.name) for entry, read in zip(entries, reads, strict=True)]
    unknown = max((read.unknown_columns for read in reads), default=0)
    aside = f"{table}: {counted(unknown, 'column')} of its files not used and kept aside"
    return TableRead(
        frame=_concatenated(table, parts),
        rejections=pl.concat(
            [
                rejected(ragged_rows(read, entry.name), table=table, rule=RAGGED, columns=None)
                for entry, read in zip(entries, reads, strict=True)
            ]
        ),
        files=tuple(
            SourceFile(table=table, name=entry.name, sha256=read.sha256, rows=read.rows)
            for entry, read in zip(entries, reads, strict=True)
        ),
        notes=(*(note for read in reads for note in read.notes), *([aside] if unknown else [])),
    )


def columns_of(
    read: FileRead,
    name: str,
    *,
    used: Mapping[str, str],
    columns: Iterable[str],
    types: Mapping[str, pl.Categorical] | None = None,
) -> pl.DataFrame:
    """The rows of a file with `row_number` and `file`, their cells as text; columns that it does not have are null.

    `used`: heading -> column. `types`: column -> that of one whose texts repeat, in the place of text.
    """
    kinds = dict.fromkeys([*used.values(), *columns], pl.String()) | dict(types or {})
    cells = {column: read.frame[heading] for heading, column in used.items()}
    texts = {column: each if each.dtype == kinds[column] else each.cast(pl.String) for column, each in cells.items()}
    return _place(read, name).with_columns(
        *(each.cast(kinds[column]).alias(column) for column, each in texts.items()),
        *(pl.lit(None, dtype=kinds[column]).alias(column) for column in columns if column not in cells),
    )


def ragged_rows(read: FileRead, name: str) -> pl.DataFrame:
    """`row_number` and `file` of rows that could not be told into cells."""
    return pl.DataFrame({"row_number": pl.Series(list(read.ragged), dtype=pl.Int64)}).with_columns(file=pl.lit(name))


def _place(read: FileRead, name: str) -> pl.DataFrame:
    return read.row_numbers.alias("row_number").to_frame().with_columns(pl.lit(name).alias("file"))


def _with_place(read: FileRead, name: str) -> pl.DataFrame:
    # The row numbers come first: a frame without a known column has no height of its own.
    return _place(read, name).hstack(read.frame.get_columns())


def _concatenated(table: str, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    columns = parts[0].columns
    if any(set(part.columns) != set(columns) for part in parts):
        raise SchemaError(f"{table}: its {len(parts)} files differ in their columns", hint="give all the same header")
    try:
        return pl.concat([part.select(columns) for part in parts], how="vertical_relaxed")
    except pl.exceptions.PolarsError:
        raise SchemaError(
            f"{table}: its {len(parts)} files differ in the types of a column", hint="write text"
        ) from None


def written_days(table: str, rows: pl.DataFrame) -> pl.Series:
    """The day that each row of a draft is dated, null where none is written or it cannot be read."""
    return known_days(table, rows, None).cast(pl.String).str.to_date(DATE_FORMAT, strict=False)


def silent_tables(rows: Mapping[str, int]) -> dict[str, str]:
    """Which tables, with a header alone, to leave out and why. `rows`: table -> rows. Where schools say through which
    day they have reported, attendance without an absence is an answer."""
    silent = [
        table for table in NEVER_EMPTY if rows.get(table) == 0 and not (table == EVENTS and rows.get("reporting"))
    ]
    return {table: f"{table} has a header and no rows" for table in silent}
