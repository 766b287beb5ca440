"""What an extract brings to the kept state, whole or a delta: the rows of each part, where its worker finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.errors import ReadError, SchemaError
from cis_ews.night.extract import Crew, large_extract
from cis_ews.night.parts import student_bounds
from cis_ews.night.state_parts import given_piece
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.delta import Delta, digest_of_files, has_removed, keys_of, read_delta
from cis_ews.readers.folder_parts import PartedFolder
from cis_ews.schema.required import require_tables
from cis_ews.schema.school_data import TABLES
from cis_ews.schema.validation import OWNED, SHARED, SourceNotes
from cis_ews.storage.state import KeptState
from cis_ews.storage.workspace import Workspace
from cis_ews.wording import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What an extract brings. `given`: where the rows of students lie, by part. `shared`: the rows of other tables."""

    bounds: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    given: PartedFolder | Workspace
    shared: Mapping[str, pl.DataFrame]
    removed: Mapping[str, pl.DataFrame]
    torn: Mapping[str, int]
    digest: str
    notes: tuple[str, ...]


def brought_by(
    source: Path, old: KeptState | None, *, work: Workspace, crew: Crew, bounds: tuple[str, ...] | None = None
) -> Brought:
    """Read an extract: a delta to `old`, or a whole year. `bounds`: where parts begin, if not as it suggests."""
    options = ReadOptions(progress=crew.watch)
    if old is not None:
        return _from_tables(read_delta(source, options), old.bounds, old=old, work=work)
    if has_removed(source):
        raise ReadError(
            f"{source.name}: a whole extract withdraws nothing", hint="load it with --delta, or take removed/ out"
        )
    parted = large_extract(source, tolerance=None, as_of=None, crew=crew)
    if parted is not None:
        source_notes = parted.whole.source
        return Brought(
            bounds=bounds or parted.folder.bounds,
            columns=_columns(parted.whole.given) | _columns(_of_silent(parted.folder, source_notes)),
            given=replace(parted.folder, bounds=bounds or parted.folder.bounds),
            shared=parted.shared,
            removed={},
            torn={},
            digest=digest_of_files(source_notes.files, kind="whole"),
            notes=source_notes.notes,
        )
    delta = read_delta(source, options)
    require_tables(delta.tables)
    ids = delta.tables["students"].frame.get_column("student_id").cast(pl.String)
    begins = bounds or tuple(student_bounds(ids.drop_nulls(), students_a_part=crew.students_a_part))
    return _from_tables(delta, begins, old=None, work=work)


def _of_silent(folder: PartedFolder, source: SourceNotes) -> dict[str, list[str]]:
    return {table: list(folder.files[table][0].columns) for table in source.left_out}


def _columns(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The columns of the contract that each table has."""
    return {
        table: tuple(name for name in TABLES[table].columns() if name in given[table])
        for table in TABLES
        if table in given
    }


def _from_tables(delta: Delta, bounds: tuple[str, ...], *, old: KeptState | None, work: Workspace) -> Brought:
    frames = {table: read.frame for table, read in delta.tables.items()}
    removed = {table: keys_of(read, table) for table, read in delta.removed.items()}
    _cut(frames, removed, bounds, work=work)
    return Brought(
        bounds=bounds,
        columns=_joined(_columns({table: frame.columns for table, frame in frames.items()}), old, removed),
        given=work,
        shared={table: frames[table] for table in SHARED if table in frames},
        removed={table: removed[table] for table in SHARED if table in removed},
        torn={table: read.rejections.height for table, read in delta.tables.items()},
        digest=digest_of_files(delta.files, kind="whole" if old is None else "delta"),
        notes=delta.notes,
    )


def _joined(
    columns: Mapping[str, tuple[str, ...]], old: KeptState | None, removed: Mapping[str, pl.DataFrame]
) -> dict[str, tuple[str, ...]]:
    """The columns of the state afterwards. Raises SchemaError where a delta has others than the state."""
    if old is None:
        return dict(columns)
    for table, names in columns.items():
        differing = set(names) ^ set(old.columns.get(table, names))
        if differing:
            raise SchemaError(
                f"{table}: the delta and the state differ in "
                f"{counted(len(differing), 'column')}: {', '.join(sorted(differing))}",
                hint="give the delta the columns of the whole extract, or load the whole extract with --keep-state",
                table=table,
            )
    unknown = [table for table in removed if table not in old.columns]
    if unknown:
        raise SchemaError(
            f"rows are withdrawn from {counted(len(unknown), 'table')} "
            f"that the state does not have: {', '.join(unknown)}",
            hint="check the names in removed/",
        )
    return {
        table: columns.get(table) or old.columns[table] for table in TABLES if table in columns or table in old.columns
    }


def _cut(
    frames: Mapping[str, pl.DataFrame], removed: Mapping[str, pl.DataFrame], bounds: Sequence[str], *, work: Workspace
) -> None:
    """Put the rows of each part where the worker that loads it finds them."""
    owned = {table: _by_part(frame, bounds) for table, frame in frames.items() if table in OWNED}
    keys = {table: _by_part(frame, bounds) for table, frame in removed.items() if table in OWNED}
    for number in range(len(bounds)):
        rows = {table: cut[number] for table, cut in owned.items() if number in cut}
        withdrawn = {table: cut[number] for table, cut in keys.items() if number in cut}
        if rows or withdrawn:
            with work.piece(given_piece(number)) as piece:
                for table, frame in rows.items():
                    piece.write(table, frame)
                for table, frame in withdrawn.items():
                    piece.write(f"removed_{table}", frame)
                piece.notes.update(rows=list(rows), removed=list(withdrawn))


def _by_part(rows: pl.DataFrame, bounds: Sequence[str]) -> dict[int, pl.DataFrame]:
    """The rows of each part that has any, in their order."""
    ids = rows.get_column("student_id").cast(pl.String).fill_null("")
    part = (pl.Series(bounds).search_sorted(ids, side="right") - 1).alias("__part")
    cut = rows.with_columns(part).partition_by("__part", maintain_order=True, as_dict=True, include_key=False)
    return {int(number): frame for (number,), frame in cut.items()}
