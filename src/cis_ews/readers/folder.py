"""The plain folder format: one CSV or Parquet file a table, with the names of the contract (docs/formats.md)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from cis_ews.errors import ReadError, SchemaError
from cis_ews.readers.base import ReadOptions, TableRead, join_files, read_file, silent_tables
from cis_ews.readers.draft import Draft
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import SUFFIXES, Entry, archive_entries, list_entries
from cis_ews.schema.rows import no_rejections
from cis_ews.schema.school_data import REQUIRED_TABLES, TABLES
from cis_ews.schema.validation import SourceNotes
from cis_ews.wording import counted


def read_folder(path: Path, options: ReadOptions) -> Draft:
    """The tables of a folder, or a zip archive of one, in the plain format.

    Raises ReadError where a file is missing, damaged or unsafe, and SchemaError where a table is missing.
    """
    entries = list_entries(path, options.limits)
    files = files_of_tables(entries, options.limits)
    missing = [table for table in REQUIRED_TABLES if table not in files and options.tables is None]
    if missing:
        raise SchemaError(
            f"{path.name}: {counted(len(missing), 'required table')} missing: {', '.join(missing)}",
            hint=f"name the files <table>{SUFFIXES[0]} or <table>.parquet; or, laid out otherwise, name its format: "
            "oneroster, cedars, edfi, or a mapping, of which cis-ews map writes a first one",
            tables=missing,
        )
    with options.progress.step("read", total=len(files)):
        tables = {table: read_table(table, found, options) for table, found in files.items()}
    return _draft(tables, notes=passed_over(entries))


def passed_over(entries: list[Entry]) -> tuple[str, ...]:
    """Files that look like tables and have no table's name: most likely a name that was mistyped."""
    count = sum(bool(entry.suffix) and entry.stem not in TABLES and entry.folder not in TABLES for entry in entries)
    return (f"{counted(count, 'file')} with the name of no table passed over",) if count else ()


def read_tables(path: Path, options: ReadOptions) -> Mapping[str, TableRead]:
    """The tables of the contract that a folder has, each cell as it came: nothing is checked and none is required."""
    found = files_of_tables(list_entries(path, options.limits), options.limits)
    return {table: read_table(table, files, options) for table, files in found.items()}


def files_of_tables(entries: list[Entry], limits: ReadLimits) -> Mapping[str, list[Entry]]:
    """The files of each table, in the order of the contract: `<table>.<suffix>` or `<table>/*.<suffix>`."""
    found = {table: _files_of(table, entries) for table in TABLES}
    return {
        table: [inner for entry in files for inner in _inside(entry, limits)] for table, files in found.items() if files
    }


def _files_of(table: str, entries: list[Entry]) -> list[Entry]:
    single = [entry for entry in entries if entry.suffix and entry.stem == table and not entry.folder]
    parts = [entry for entry in entries if entry.suffix and entry.folder == table]
    kinds = {entry.suffix.removesuffix(".gz") for entry in parts}
    if len(single) + bool(parts) > 1 or len(kinds) > 1:
        names = sorted(entry.name for entry in [*single, *parts])
        raise ReadError(
            f"{table}: more than one source for the table: {', '.join(names[:3])}", hint="keep one of them", table=table
        )
    return single or parts


def _inside(entry: Entry, limits: ReadLimits) -> list[Entry]:
    if entry.suffix != ".zip":
        return [entry]
    if entry.packed:
        raise ReadError(f"{entry.name}: an archive inside an archive", hint="unpack it", file=entry.name)
    inner = archive_entries(entry, limits)
    if not inner:
        raise ReadError(f"{entry.name}: the archive is empty", hint="export it again", file=entry.name)
    return inner


def read_table(table: str, files: list[Entry], options: ReadOptions) -> TableRead:
    columns = list(TABLES[table].columns())
    reads = [read_file(entry, known_columns=columns, limits=options.limits) for entry in files]
    options.progress.advance()
    return join_files(table, files, reads)


def _draft(tables: Mapping[str, TableRead], *, notes: tuple[str, ...]) -> Draft:
    left_out = silent_tables({table: read.frame.height for table, read in tables.items()})
    return Draft(
        frames={table: read.frame for table, read in tables.items() if table not in left_out},
        source=SourceNotes(
            files=tuple(file for read in tables.values() for file in read.files),
            notes=(*notes, *(note for read in tables.values() for note in read.notes)),
            rejections=pl.concat([no_rejections(), *(read.rejections for read in tables.values())]),
            left_out=left_out,
        ),
    )
