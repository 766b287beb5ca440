"""What an extract brings to the kept state: the tables as they came, and the keys of rows that were withdrawn.

SOURCE/<table>.csv, .parquet            rows that are new or corrected, or, in a full extract, all rows
SOURCE/removed/<table>.csv, .parquet    the key columns of rows that are no longer true; in a delta alone
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from cis_ews.errors import ReadError, SchemaError
from cis_ews.readers.base import ReadOptions, TableRead
from cis_ews.readers.folder import files_of_tables, passed_over, read_table
from cis_ews.readers.sources import list_entries
from cis_ews.schema.required import column_notes
from cis_ews.schema.school_data import TABLES, SourceFile
from cis_ews.wording import counted

REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What was read. `tables`: rows by table. `removed`: keys by table. `notes`: of the files, for the report."""

    tables: Mapping[str, TableRead]
    removed: Mapping[str, TableRead]
    notes: tuple[str, ...]

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Every file."""
        withdrawn = (file for read in self.removed.values() for file in read.files)
        named = (replace(file, name=f"{REMOVED}/{file.name}") for file in withdrawn)
        return (*(file for read in self.tables.values() for file in read.files), *named)


def read_delta(path: Path, options: ReadOptions) -> Delta:
    """The tables that an extract has, whichever these are.

    Raises ReadError where there are none, SchemaError where a required column or a column of a key is missing.
    """
    entries = list_entries(path, options.limits)
    tables = {
        table: read_table(table, files, options) for table, files in files_of_tables(entries, options.limits).items()
    }
    for table, read in tables.items():
        column_notes(table, read.frame.columns)
    removed = _removed(path, options)
    if not tables and not removed:
        raise ReadError(f"{path.name}: no table is there", hint=f"name the files after {', '.join(TABLES)}")
    notes = (note for read in (*tables.values(), *removed.values()) for note in read.notes)
    return Delta(tables=tables, removed=removed, notes=(*passed_over(entries), *notes))


def has_removed(path: Path) -> bool:
    """Whether rows are withdrawn."""
    return (path / REMOVED).is_dir()


def _removed(path: Path, options: ReadOptions) -> dict[str, TableRead]:
    if path.is_file() and any(entry.folder == REMOVED for entry in list_entries(path, options.limits)):
        raise ReadError(f"{path.name}: an archive with a folder {REMOVED}", hint="unpack it")
    if not has_removed(path):
        return {}
    entries = list_entries(path / REMOVED, options.limits)
    read = {
        table: read_table(table, files, options) for table, files in files_of_tables(entries, options.limits).items()
    }
    for table, found in read.items():
        lacking = [name for name in TABLES[table].primary_key() if name not in found.frame.columns]
        torn = found.rejections.height
        if lacking:
            raise SchemaError(
                f"{REMOVED}/{table}: {counted(len(lacking), 'column')} of the key missing: {', '.join(lacking)}",
                hint="give every column of the key; docs/kept_state.md names them",
                table=table,
            )
        if torn:
            raise ReadError(f"{REMOVED}/{table}: {counted(torn, 'row')} torn", hint="write the file again")
    return read


def digest_of_files(files: tuple[SourceFile, ...], *, kind: str) -> str:
    """What tells an extract from any other: how it is loaded and the bytes of its files."""
    said = sorted((file.table, file.name, file.sha256) for file in files)
    return hashlib.sha256(f"{kind} {said}".encode()).hexdigest()


def keys_of(read: TableRead, table: str) -> pl.DataFrame:
    """The columns of the key alone."""
    return read.frame.select(*TABLES[table].primary_key(), "file", "row_number")
