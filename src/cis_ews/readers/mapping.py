"""Someone else's files, read through a mapping TOML (docs/formats.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import polars as pl

from cis_ews.errors import ReadError
from cis_ews.readers.base import ReadOptions, TableRead, join_files, read_file, silent_tables
from cis_ews.readers.codes import UnmappedCodes, refuse_unmapped
from cis_ews.readers.derived import derive_tables
from cis_ews.readers.draft import Draft
from cis_ews.readers.mapping_config import SourceMapping, TableMapping, load_mapping
from cis_ews.readers.mapping_table import is_later, map_columns, merge_days
from cis_ews.readers.sources import Entry, list_entries
from cis_ews.schema.rows import no_rejections
from cis_ews.schema.validation import SourceNotes


@dataclass(slots=True)
class _Mapped:
    """The tables of a mapped source on their way to the contract, and what must be said about them."""

    frames: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    reads: list[TableRead] = field(default_factory=list[TableRead])
    unmapped: list[UnmappedCodes] = field(default_factory=list[UnmappedCodes])
    reduced: dict[str, int] = field(default_factory=dict[str, int])
    later: dict[str, int] = field(default_factory=dict[str, int])
    notes: list[str] = field(default_factory=list[str])


def read_mapped(path: Path, mapping_path: Path, options: ReadOptions) -> Draft:
    """The tables of the files of another system, through the mapping at `mapping_path`.

    Raises ConfigError for a mistake in the mapping, UnmappedCodesError for codes that it does not know, and the errors
    of every reader.
    """
    mapping = load_mapping(mapping_path, is_whole=options.tables is None)
    entries = list_entries(path, options.limits)
    mapped = _Mapped()
    with options.progress.step("read", total=len(mapping.tables)):
        for table, each in mapping.tables.items():
            _read_table(mapped, table, _matching(table, each, entries), mapping=mapping, options=options)
            options.progress.advance()
    refuse_unmapped(mapped.unmapped)
    _derive(mapped, mapping, options.as_of)
    return _draft(mapped, mapping)


def _matching(table: str, mapping: TableMapping, entries: list[Entry]) -> list[Entry]:
    found = [entry for entry in entries if any(fnmatchcase(entry.name, each) for each in mapping.files)]
    if not found:
        raise ReadError(
            f"{table}: no file of the source is named {' or '.join(mapping.files)}",
            hint="check the path, and `files` in the mapping",
            table=table,
        )
    return found


def _read_table(
    mapped: _Mapped, table: str, entries: list[Entry], *, mapping: SourceMapping, options: ReadOptions
) -> None:
    each = mapping.tables[table]
    known = set(each.columns.values())
    reads = [
        read_file(entry, known_columns=known, limits=options.limits, encoding=each.encoding, delimiter=each.delimiter)
        for entry in entries
    ]
    read = join_files(table, entries, reads)
    frame, unmapped = map_columns(
        table, each, read.frame, school_year_starts=mapping.school_year_starts, as_of=options.as_of
    )
    mapped.reads.append(read)
    mapped.frames[table] = frame
    mapped.unmapped.extend(unmapped)


def _derive(mapped: _Mapped, mapping: SourceMapping, as_of: date | None) -> None:
    """Derive tables, then merge the rows of a day."""
    if "attendance_events" in mapped.frames:
        tables, notes = derive_tables(mapping, mapped.frames["attendance_events"])
        mapped.frames.update(tables)
        mapped.notes.extend(notes)
    for table, each in mapping.tables.items():
        if each.merge:
            rows = mapped.frames[table]
            mapped.frames[table], merged = merge_days(rows)
            mapped.reduced[table] = merged
            before, after = (int(is_later(table, each, as_of).sum()) for each in (rows, mapped.frames[table]))
            mapped.later[table] = before - after
            mapped.notes.append(f"{table}: {merged:,} further rows of the same student and day were merged into one")


def _draft(mapped: _Mapped, mapping: SourceMapping) -> Draft:
    left_out = silent_tables({table: frame.height for table, frame in mapped.frames.items()})
    return Draft(
        frames={table: frame for table, frame in mapped.frames.items() if table not in left_out},
        source=SourceNotes(
            files=tuple(file for read in mapped.reads for file in read.files),
            notes=(*mapping.notes, *mapped.notes, *(note for read in mapped.reads for note in read.notes)),
            rejections=pl.concat([no_rejections(), *(read.rejections for read in mapped.reads)]),
            reduced=mapped.reduced,
            later=mapped.later,
            left_out=left_out,
            partial={str(domain): reason for domain, reason in mapping.partial.items()},
        ),
        tolerances=mapping.tolerance,
        without_school=tuple(table for table, each in mapping.tables.items() if each.school_from_enrollments),
    )
