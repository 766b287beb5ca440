"""A large folder of Parquet read in parts, ranges of students, without ever holding a table whole.

Only where it pays: every file is Parquet, there are more students than one part has, and the rows lie by student, so
that a part touches little more than its own rows. The statistics that Parquet keeps of each group of rows say so. Any
other source is read whole (`folder`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.errors import ReadError
from cis_ews.readers.base import ReadOptions, silent_tables
from cis_ews.readers.folder import files_of_tables, passed_over, read_table
from cis_ews.readers.sources import Entry, list_entries, open_entry
from cis_ews.schema.links import ROW
from cis_ews.schema.presence import can_be_sorted
from cis_ews.schema.school_data import REQUIRED_TABLES, TABLES, SourceFile
from cis_ews.schema.validation import DEFAULT_TOLERANCE, EVENTS, OWNED, SHARED, SourceNotes, Whole
from cis_ews.wording import counted

# pyarrow has no type information
pyarrow: Any = importlib.import_module("pyarrow")
parquet: Any = importlib.import_module("pyarrow.parquet")

MOST_READ = 3.0
"""How many times its own rows all parts together may touch of a table."""
ROWS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class TableFile:
    """A Parquet file of a table: its columns and types, and of each group of rows how many they are and the ids of its
    first and last student, the empty text and None where they are not known."""

    entry: Entry
    columns: Mapping[str, pl.DataType]
    groups: tuple[tuple[int, str, str | None], ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(rows for rows, _, _ in self.groups)

    def touched(self, low: str, high: str | None) -> int:
        """Rows in groups that may have students of a range."""
        return sum(rows for rows, first, last in self.groups if _may_hold(first, last, within=(low, high)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartedFolder:
    """A folder that can be read in parts. Picklable: a worker gets it and reads its own part.

    `bounds`: the first student of each part, the empty text before all of them.
    """

    files: Mapping[str, tuple[TableFile, ...]]
    bounds: tuple[str, ...]

    def check_found(self, rows_read: Mapping[str, int]) -> None:
        """Raise ReadError where the parts together have not the rows of a table, because its statistics are wrong."""
        for table, files in self.files.items():
            rows, found = sum(file.rows for file in files), rows_read.get(table, 0)
            if table in rows_read and rows != found:
                raise ReadError(
                    f"{table}: {found:,} of {rows:,} rows lie where the statistics of its files say",
                    hint="write the files again, without statistics or as CSV",
                    table=table,
                )

    def frames(self, part: int, tables: Sequence[str]) -> tuple[dict[str, pl.DataFrame], Iterable[pl.DataFrame] | None]:
        """The rows of a part as they came, with `file` and `row_number`; and the attendance in batches, read as they
        are asked for, if it is typed so that it can be sorted out; otherwise it is among the frames."""
        wanted = [table for table in OWNED if table in tables]
        is_typed = EVENTS in wanted and all(can_be_sorted(file.columns) for file in self.files[EVENTS])
        frames = {
            table: pl.concat(list(self._rows(table, part)), how="vertical_relaxed", rechunk=True)
            for table in wanted
            if not (is_typed and table == EVENTS)
        }
        return frames, Batches(self, part) if is_typed else None

    def _rows(self, table: str, part: int) -> Iterator[pl.DataFrame]:
        (low, high), names, is_touched = self._range(part), self._names(table), False
        for number, file in enumerate(self.files[table]):
            if file.touched(low, high):
                is_touched = True
                yield _read(_scan(file, table=table, number=number, names=names).filter(_inside(low, high)), file)
        if not is_touched:
            yield self._no_rows(table, names)

    def batches(self, part: int) -> Iterator[pl.DataFrame]:
        """Attendance in order, a few groups of rows at a time."""
        (low, high), names, is_touched = self._range(part), self._names(EVENTS), False
        for number, file in enumerate(self.files[EVENTS]):
            for begin, rows in _runs_of_groups(file, low, high):
                is_touched = True
                lazy = _scan(file, table=EVENTS, number=number, names=names).slice(begin, rows)
                yield _read(lazy.filter(_inside(low, high)), file)
        if not is_touched:
            yield self._no_rows(EVENTS, names)

    def _no_rows(self, table: str, names: pl.Enum) -> pl.DataFrame:
        first = self.files[table][0]
        return _read(_scan(first, table=table, number=0, names=names).head(0), first)

    def _range(self, part: int) -> tuple[str, str | None]:
        return self.bounds[part], self.bounds[part + 1] if part + 1 < len(self.bounds) else None

    def _names(self, table: str) -> pl.Enum:
        return pl.Enum([file.entry.name for file in self.files[table]])


@dataclass(frozen=True, slots=True)
class Batches:
    """The attendance of a part, of which a state that records presence has more than should be in memory at once: read
    anew each time that it is gone through."""

    folder: PartedFolder
    part: int

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return self.folder.batches(self.part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """A folder that is read in parts: how to read a part, the rows of the tables that all parts share, and what is
    known of the whole before any row is checked."""

    folder: PartedFolder
    shared: Mapping[str, pl.DataFrame]
    whole: Whole


def parted_folder(path: Path, options: ReadOptions, *, students_a_part: int) -> Parted | None:
    """How to read a folder in parts; None where it has to be read whole, which also finds what is wrong with it."""
    if not path.is_dir():
        return None
    entries = list_entries(path, options.limits)
    found = files_of_tables(entries, options.limits)
    is_parquet = all(entry.suffix == ".parquet" for files in found.values() for entry in files)
    if not is_parquet or not {*REQUIRED_TABLES} <= found.keys():
        return None
    files = {table: _table_files(found[table]) for table in OWNED if table in found}
    if not all(_lies_by_text(of_table) for of_table in files.values()):
        return None
    bounds = _bounds(files["students"], students_a_part=students_a_part)
    if len(bounds) == 1 or not all(_lies_by_student(of_table, bounds) for of_table in files.values()):
        return None
    return _parted(found, files, bounds, options=options, notes=passed_over(entries))


def _parted(
    found: Mapping[str, list[Entry]],
    files: Mapping[str, tuple[TableFile, ...]],
    bounds: tuple[str, ...],
    *,
    options: ReadOptions,
    notes: tuple[str, ...],
) -> Parted:
    for file in (file for of_table in files.values() for file in of_table if file.rows > options.limits.max_rows):
        raise ReadError(f"{file.entry.name}: {file.rows:,} rows", hint="split it", file=file.entry.name)
    shared = {table: read_table(table, entries, options) for table, entries in found.items() if table in SHARED}
    hashes = _hashes([file.entry for of_table in files.values() for file in of_table], options)
    owned = {
        table: tuple(
            SourceFile(table=table, name=file.entry.name, sha256=hashes[file.entry.name], rows=file.rows)
            for file in of_table
        )
        for table, of_table in files.items()
    }
    rows = {table: read.frame.height for table, read in shared.items()}
    rows |= {table: sum(file.rows for file in of_table) for table, of_table in files.items()}
    source = SourceNotes(
        files=tuple(file for table in found for file in (shared[table].files if table in shared else owned[table])),
        notes=(*notes, *_aside(files)),
        left_out=silent_tables(rows),
    )
    given = {table: read.frame.columns for table, read in shared.items()}
    given |= {table: list(of_table[0].columns) for table, of_table in files.items()}
    return Parted(
        folder=PartedFolder(files=files, bounds=bounds),
        shared={table: read.frame for table, read in shared.items()},
        whole=Whole(
            given={table: columns for table, columns in given.items() if table not in source.left_out},
            as_of=options.as_of,
            tolerance=DEFAULT_TOLERANCE if options.tolerance is None else options.tolerance,
            source=source,
        ),
    )


def _aside(files: Mapping[str, Sequence[TableFile]]) -> Iterator[str]:
    for table, of_table in files.items():
        known = TABLES[table].columns()
        unknown = max(sum(name not in known for name in file.columns) for file in of_table)
        if unknown:
            yield f"{table}: {counted(unknown, 'column')} of its files not used and kept aside"


def _hashes(entries: Sequence[Entry], options: ReadOptions) -> dict[str, str]:
    def sha256(entry: Entry) -> str:
        with open_entry(entry, options.limits) as opened:
            return opened.sha256()

    with ThreadPoolExecutor() as pool:
        return dict(zip((entry.name for entry in entries), pool.map(sha256, entries), strict=True))


def _table_files(entries: Sequence[Entry]) -> tuple[TableFile, ...]:
    return tuple(_table_file(entry) for entry in entries)


def _table_file(entry: Entry) -> TableFile:
    try:
        # Not by read_parquet_schema: it takes a name such as part-[0] for a pattern.
        columns = dict(pl.scan_parquet(entry.path, glob=False, hive_partitioning=False).collect_schema())
        metadata = parquet.read_metadata(entry.path)
    except (pl.exceptions.PolarsError, pyarrow.ArrowException, OSError):
        raise _damaged(entry) from None
    place = next((at for at in range(metadata.num_columns) if metadata.schema.column(at).path == "student_id"), None)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return TableFile(entry, columns, tuple(_group(group, place) for group in groups))


def _group(group: Any, place: int | None) -> tuple[int, str, str | None]:
    """Rows, first and last id of a group of rows; the widest span where the file does not say, or has rows without."""
    said = None if place is None else group.column(place).statistics
    if said is None or not said.has_min_max or said.null_count != 0 or not isinstance(said.min, str):
        return int(group.num_rows), "", None
    return int(group.num_rows), said.min, said.max


def _lies_by_text(files: Sequence[TableFile]) -> bool:
    return all(file.columns == files[0].columns and file.columns.get("student_id") == pl.String for file in files)


def _lies_by_student(files: Sequence[TableFile], bounds: Sequence[str]) -> bool:
    ends = [*bounds[1:], None]
    touched = sum(file.touched(low, high) for low, high in zip(bounds, ends, strict=True) for file in files)
    return touched <= MOST_READ * sum(file.rows for file in files) + ROWS_AT_ONCE


def _bounds(files: Sequence[TableFile], *, students_a_part: int) -> tuple[str, ...]:
    ids = pl.concat([_read(pl.scan_parquet(file.entry.path, glob=False).select("student_id"), file) for file in files])
    ordered = ids.to_series().drop_nulls().unique().sort()
    return ("", *ordered.gather_every(students_a_part, offset=students_a_part).to_list())


def _runs_of_groups(file: TableFile, low: str, high: str | None) -> Iterator[tuple[int, int]]:
    """First row and number of rows of the groups that a range touches, a few neighbours at a time."""
    begin, rows, at = 0, 0, 0
    for size, first, last in file.groups:
        if _may_hold(first, last, within=(low, high)):
            if rows and (begin + rows < at or rows + size > ROWS_AT_ONCE):
                yield begin, rows
                rows = 0
            begin, rows = (begin if rows else at), rows + size
        at += size
    if rows:
        yield begin, rows


def _may_hold(first: str, last: str | None, *, within: tuple[str, str | None]) -> bool:
    """Whether rows from one id to another may be of students of a range: from its first on, before its end."""
    low, high = within
    return (last is None or last >= low) and (high is None or first < high)


def _scan(file: TableFile, *, table: str, number: int, names: pl.Enum) -> pl.LazyFrame:
    """The file's columns of the contract, with where each row stands."""
    known = [name for name in TABLES[table].columns() if name in file.columns]
    numbered = pl.scan_parquet(
        file.entry.path, glob=False, hive_partitioning=False, row_index_name=ROW, row_index_offset=1
    )
    name = names.categories[number]
    return numbered.select(
        pl.col(ROW).cast(pl.Int64).alias("row_number"), pl.lit(name, dtype=names).alias("file"), pl.col(known)
    )


def _read(rows: pl.LazyFrame, file: TableFile) -> pl.DataFrame:
    try:
        return rows.collect()
    except (pl.exceptions.PolarsError, OSError):
        # Messages can quote cells.
        raise _damaged(file.entry) from None


def _damaged(entry: Entry) -> ReadError:
    return ReadError(f"{entry.name}: the file is no Parquet, or damaged", hint="export it again", file=entry.name)


def _inside(low: str, high: str | None) -> pl.Expr:
    """Rows of students from `low` on and before `high`; rows without a student belong to the first part."""
    student = pl.col("student_id")
    before = pl.lit(value=True) if high is None else student < high
    return (before & (student >= low)) if low else (before | student.is_null())
