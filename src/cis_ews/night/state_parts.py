"""One part of the kept state: what it holds, what an extract changes in it, and which of its rows are checked anew.

A piece of the state has, of every table about students, the rows that were kept (`<table>`), those that break a rule
(`rejected_<table>`) and those that cannot be read (`unreadable_<table>`), and the days present as bits (`days`). All of
them together are what the extracts say, whichever way they were loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from cis_ews.enums import AttendanceStatus
from cis_ews.night.facts import facts_of, plain
from cis_ews.night.loaded import Loaded
from cis_ews.night.parts import shared_tables
from cis_ews.night.state_days import count, extent, no_days, packed, together
from cis_ews.night.state_pool import (
    WHO,
    Change,
    Kept,
    Pool,
    changes_of,
    not_kept,
    pool_of,
    pool_of_events,
    students_of,
    touched_students,
)
from cis_ews.night.state_rows import Rows, merged, no_rows, sums_of
from cis_ews.readers.folder_parts import PartedFolder
from cis_ews.schema.coverage import CoverageFacts
from cis_ews.schema.links import leaning_on, leant_on
from cis_ews.schema.rows import PLACE, CheckedRows, check_rows, no_rejections
from cis_ews.schema.school_data import TABLES
from cis_ews.schema.validation import EVENTS, OWNED, SHARED, CheckedPart, PartFacts, check_part
from cis_ews.storage.erased import ErasedStudents
from cis_ews.storage.state import STALE
from cis_ews.storage.workspace import Piece, Workspace

ROWS_AT_ONCE = 1_000_000
REJECTED, UNREADABLE, TORN = "kept state: rejected", "kept state: unreadable", "kept state: torn"
"""What stands in place of a file's name where a rejection names a row of the state."""
_AT = "row_number"
_OF_ALL_TABLES = ("alone", "linked", "ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTask:
    """What a worker has to know to load a part.

    `made`: the piece to write. `before`: the piece to begin with, if there is one. `given`: where the rows lie that an
    extract brings, by its number. `tables`: those that the state has afterwards. `afresh`: whether to check all rows.
    """

    pieces: Workspace
    made: str
    before: str | None
    given: PartedFolder | Workspace
    number: int
    tables: tuple[str, ...]
    shared: str
    afresh: bool
    erased: ErasedStudents


def load_part(task: LoadTask) -> Loaded:
    """Bring what an extract says into a part of the state, and write it as a new piece.

    Tables of which it says nothing, and whose rules look at no table of which it does, stand as they are.
    """
    before = Kept(task.pieces, task.before)
    changes, loaded = _changes(task, before)
    tables = task.tables if task.afresh else leaning_on(changes)
    touched = None if task.afresh else touched_students(before, changes, tables)
    moved = None if task.afresh else students_of(changes, WHO)
    pools = {
        table: pool_of(table, before, changes.get(table), touched=touched)
        for table in OWNED
        if table in tables and table in task.tables and table != EVENTS
    }
    days = no_days()
    if EVENTS in tables and EVENTS in task.tables:
        pools[EVENTS], days = pool_of_events(before, changes.get(EVENTS), moved)
    every = shared_tables(task.pieces, task.shared)
    shared = {table: every[table] for table in SHARED if table in task.tables}
    beside = {**shared, **_leant_upon(pools, before)}
    settled = settle(pools, lambda frames, events: check_part(frames, beside, events=events), beside)
    with task.pieces.piece(task.made) as piece:
        _write(piece, settled, days=days, shared=shared, before=None if task.afresh else before)
    return loaded + Loaded(rejections=settled.in_extract)


def _leant_upon(pools: Mapping[str, Pool], before: Kept) -> dict[str, pl.DataFrame]:
    """The rows, of the students in the pools, of standing tables that the rules of others look at."""
    ids = pl.concat([pl.Series("student_id", [], pl.String), *(pool.checked["student_id"] for pool in pools.values())])
    concerned = pl.DataFrame(ids.unique())
    return {
        table: before.rows(table).join(concerned, on="student_id", how="semi", maintain_order="left")
        for table in leant_on(pools) - set(pools)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainTask:
    """What a worker has to know to check a part of the state without a table that was left out of the night.

    `tables`: those that are used. `shared`, `made`: pieces of the night's workspace.
    """

    pieces: Workspace
    before: str
    tables: tuple[str, ...]
    workspace: Workspace
    shared: str
    made: str


def check_again(task: AgainTask) -> None:
    """Check a part without the tables that are left out, and keep it for the night."""
    if task.workspace.done(task.made) is not None:
        return
    before = Kept(task.pieces, task.before)
    pools = {table: pool_of(table, before, None, touched=None) for table in OWNED if table in task.tables}
    days = no_days()
    if EVENTS in task.tables:
        pools[EVENTS], days = pool_of_events(before, None, pl.Series(dtype=pl.String))
    every = shared_tables(task.workspace, task.shared)
    shared = {table: every[table] for table in SHARED if table in task.tables}
    settled = settle(pools, lambda frames, events: check_part(frames, shared, events=events), shared)
    with task.workspace.piece(task.made) as piece:
        _write(piece, settled, days=days, shared=shared, before=None)


def _changes(task: LoadTask, before: Kept) -> tuple[dict[str, Change], Loaded]:
    raw, withdrawn = _given(task)
    changes = changes_of(raw, withdrawn, is_first=before.piece is None)
    forgotten = dict[str, int]()
    for table, change in changes.items():
        allowed = _without_forgotten(change, task.erased)
        forgotten[table] = change.rows.height - allowed.rows.height
        changes[table] = allowed
    return changes, Loaded(
        brought={table: change.rows.height + forgotten[table] for table, change in changes.items()},
        forgotten={table: rows for table, rows in forgotten.items() if rows},
        withdrawn={table: change.withdrawn.height for table, change in changes.items() if change.withdrawn.height},
        unknown={
            table: not_kept(table, change.withdrawn, before)
            for table, change in changes.items()
            if change.withdrawn.height
        },
    )


def _given(task: LoadTask) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """Rows and withdrawn keys that an extract has of the part."""
    if isinstance(task.given, PartedFolder):
        frames, events = task.given.frames(task.number, [table for table in task.tables if table in task.given.files])
        if events is not None:
            frames[EVENTS] = pl.concat(events, how="vertical_relaxed")
        return frames, {}
    piece = given_piece(task.number)
    notes = task.given.done(piece) or {"rows": [], "removed": []}
    return (
        {table: task.given.table(piece, table) for table in notes["rows"]},
        {table: task.given.table(piece, f"removed_{table}") for table in notes["removed"]},
    )


def given_piece(number: int) -> str:
    """Where what an extract has of a part waits to be loaded."""
    return f"given-{number:05d}"


def _without_forgotten(change: Change, erased: ErasedStudents) -> Change:
    if not erased.digests:
        return change
    ids = pl.concat([rows.get_column("student_id") for rows in (change.rows.readable, change.rows.unreadable)])
    gone = pl.col("student_id").is_in(list(erased.among(ids.drop_nulls().unique())))
    left = Rows(
        readable=change.rows.readable.filter(~gone),
        unreadable=change.rows.unreadable.filter(~gone.fill_null(value=False)),
    )
    return Change(rows=left, keys=change.keys, withdrawn=change.withdrawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Checked rows of a part. `alone`, `linked`: rejections by the place of a row among those rejected, or unreadable.
    `in_extract`: rejections of rows that an extract brings, by their place in it. `days`: kept, among those checked."""

    rows: Mapping[str, pl.DataFrame]
    rejected: Mapping[str, pl.DataFrame]
    unreadable: Mapping[str, pl.DataFrame]
    days: pl.DataFrame
    alone: pl.DataFrame
    linked: pl.DataFrame
    ids: pl.DataFrame
    in_extract: pl.DataFrame
    texts: Mapping[str, CheckedRows]

    @property
    def aside(self) -> dict[str, pl.DataFrame]:
        """Everything but the rows that are kept, by its name in a piece."""
        return {
            **{f"rejected_{table}": rows for table, rows in self.rejected.items()},
            **{f"unreadable_{table}": rows for table, rows in self.unreadable.items()},
            "alone": self.alone,
            "linked": self.linked,
            "ids": self.ids,
        }


Check = Callable[[Mapping[str, pl.DataFrame], Sequence[pl.DataFrame] | None], CheckedPart]


def settle(pools: Mapping[str, Pool], check: Check, beside: Mapping[str, pl.DataFrame]) -> Settled:
    """Check the rows that have to be, and put them to those that stand. `beside`: the tables that `check` has."""
    frames = {table: _numbered(pool.checked, REJECTED) for table, pool in pools.items()}
    events = frames.pop(EVENTS, None)
    batches = None if events is None else list(events.iter_slices(ROWS_AT_ONCE)) or [events]
    checked = check(frames, batches)
    calendar = beside.get("calendar_days")
    text = {table: _checked_text(table, pool.unreadable, calendar) for table, pool in pools.items()}
    broken = pl.concat([checked.alone, checked.linked])
    places = {table: _places(broken, table) for table in pools}
    rejected = {table: _taken(pools[table].checked, at) for table, at in places.items()}
    return Settled(
        rows={table: _kept(table, pool, checked) for table, pool in pools.items()},
        rejected={table: rows.drop(PLACE) for table, rows in rejected.items()},
        unreadable={table: pool.unreadable.drop(PLACE) for table, pool in pools.items()},
        days=no_days() if EVENTS not in pools else _present(pools[EVENTS].checked, places[EVENTS]),
        alone=pl.concat([_by_place(checked.alone, places), *(found.rejections for found in text.values())]),
        linked=_by_place(checked.linked, places),
        ids=checked.ids,
        in_extract=pl.concat(
            [no_rejections()]
            + [_in_extract(broken, table, pool.checked) for table, pool in pools.items()]
            + [_in_extract(text[table].rejections, table, pool.unreadable) for table, pool in pools.items()]
        ),
        texts=text,
    )


def _checked_text(table: str, rows: pl.DataFrame, calendar_days: pl.DataFrame | None) -> CheckedRows:
    if rows.is_empty():
        return CheckedRows(rows=rows, rejections=no_rejections(), unreadable=(), readable=())
    return check_rows(table, TABLES[table], _numbered(rows, UNREADABLE), calendar_days=calendar_days)


def _numbered(rows: pl.DataFrame, file: str) -> pl.DataFrame:
    return rows.with_columns(file=pl.lit(file), row_number=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def _places(rejections: pl.DataFrame, table: str) -> pl.Series:
    return rejections.filter(pl.col("table") == table).get_column(_AT).unique().sort()


def _taken(rows: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    return rows[(places - 1).cast(pl.UInt32)]


def _kept(table: str, pool: Pool, checked: CheckedPart) -> pl.DataFrame:
    if pool.standing.is_empty():
        return checked.tables[table]
    return merged(pool.standing, checked.tables[table], TABLES[table].primary_key())


def _present(checked: pl.DataFrame, rejected: pl.Series) -> pl.DataFrame:
    is_present = checked.get_column("status") == AttendanceStatus.PRESENT
    if rejected.len():
        is_present = is_present.scatter((rejected - 1).cast(pl.UInt32), False)
    return packed(checked.filter(is_present))


def _by_place(rejections: pl.DataFrame, places: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Rejections with the place of a row among those that are rejected."""
    found = [no_rejections()]
    for table, at in places.items():
        ranks = pl.DataFrame({_AT: at, "rank": pl.int_range(1, at.len() + 1, dtype=pl.Int64, eager=True)})
        mine = rejections.filter(pl.col("table") == table).join(ranks, on=_AT, maintain_order="left")
        found.append(mine.with_columns(pl.col("rank").alias(_AT)).select(no_rejections().columns))
    return pl.concat(found)


def _in_extract(rejections: pl.DataFrame, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rejections of rows that an extract has just brought, with where they stand in it."""
    mine = rejections.filter(pl.col("table") == table)
    if mine.is_empty():
        return no_rejections()
    at = rows[(mine.get_column(_AT) - 1).cast(pl.UInt32)].select(
        pl.col("file").cast(pl.String), pl.col(_AT).cast(pl.Int64)
    )
    return mine.with_columns(at.get_columns()).filter(pl.col("file").is_not_null())


def _write(
    piece: Piece, settled: Settled, *, days: pl.DataFrame, shared: Mapping[str, pl.DataFrame], before: Kept | None
) -> None:
    """Write a part. Of the piece before, the tables that were not settled stand; one that is as it was is shared."""
    present = together(days, settled.days)
    notes = notes_of(settled, _coverage(settled, present, shared), days=present)
    frames = {**settled.rows, **settled.aside, "days": present}
    if before is None:
        frames |= {table: no_rows(table).readable.drop(PLACE) for table in set(OWNED) - set(settled.rows)}
    else:
        frames |= {name: _standing(name, before, settled) for name in _OF_ALL_TABLES}
        notes = _standing_notes(before.pieces.done(before.piece or "") or {}, notes)
        if EVENTS not in settled.rows:
            del frames["days"]
    for name, rows in frames.items():
        if not _shared_with(before, name, rows, piece=piece):
            piece.write(name, rows)
    if before is not None:
        _link_others(before, piece)
    piece.notes.update(notes)


def _standing(name: str, before: Kept, settled: Settled) -> pl.DataFrame:
    """Rejections or ids that are kept of the tables that were not settled, with those of the tables that were."""
    is_settled = pl.col("table").is_in(list(settled.rows))
    stands = before.pieces.table(before.piece or "", name).filter(~is_settled)
    found = settled.aside[name].filter(is_settled)
    if name == "ids":
        # Students who are not enrolled anywhere are unknown to attendance, and known to all others (`check_part`).
        students = stands.filter(pl.col("table") == "students")
        of_events = pl.col("table") == EVENTS
        found = pl.concat(
            [found.filter(of_events), found.filter(~of_events).join(students, on="student_id", how="anti")]
        )
    return pl.concat([stands, found])


def _link_others(before: Kept, piece: Piece) -> None:
    """Share with a piece every table that it has not."""
    for path in before.pieces.path(before.piece or "", "any").parent.glob("*.arrow"):
        if not (piece.folder / path.name).exists():
            os.link(path, piece.folder / path.name)


def _standing_notes(kept: Mapping[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
    """What is noted of the tables that were settled, and what was of all others."""
    facts, before = notes["facts"], kept["facts"]
    dated = {table: seen for table, seen in facts["dated"].items() if table in facts["read"]}
    days = ("present", "last_recorded")
    return {
        **{name: {**kept[name], **notes[name]} for name in ("rejected", "unreadable", "sums")},
        "facts": {
            **{name: {**before[name], **facts[name]} for name in ("read", "reduced", "unreadable", "readable")},
            **{name: (facts if EVENTS in facts["read"] else before)[name] for name in days},
            "tables": sorted({*before["tables"], *facts["tables"]}),
            "dated": {**before["dated"], **dated},
        },
    }


def notes_of(settled: Settled, coverage: CoverageFacts, *, days: pl.DataFrame) -> dict[str, Any]:
    """What is noted of the rows of a piece: facts, rows that are not kept, and sums that tell them from any others."""
    every = {
        table: [
            [settled.rows[table], settled.rejected[table]],
            [settled.unreadable[table]],
            [days] if table == EVENTS else [],
        ]
        for table in settled.rows
    }
    return {
        "facts": plain(_facts(settled, coverage, present=count(days))),
        "rejected": {table: rows.height for table, rows in settled.rejected.items()},
        "unreadable": {table: rows.height for table, rows in settled.unreadable.items()},
        "sums": {table: [sums_of(frames) for frames in kinds] for table, kinds in every.items()},
    }


def _shared_with(before: Kept | None, name: str, rows: pl.DataFrame, *, piece: Piece) -> bool:
    if before is None or before.piece is None or name in (EVENTS, "days"):
        return False
    path = before.pieces.path(before.piece, name)
    if not path.exists() or not before.pieces.table(before.piece, name).equals(rows):
        return False
    os.link(path, piece.folder / path.name)
    return True


def _coverage(settled: Settled, days: pl.DataFrame, shared: Mapping[str, pl.DataFrame]) -> CoverageFacts:
    coverage = CoverageFacts.of({**shared, **settled.rows})
    if EVENTS not in settled.rows:
        return coverage
    dated, last = extent(days)
    return coverage.with_events(dated, present=dated.rows, last_recorded=last)


def _facts(settled: Settled, coverage: CoverageFacts, *, present: int) -> PartFacts:
    read, readable = dict[str, int](), dict[str, list[str]]()
    for table, rows in settled.rows.items():
        every = (rows, settled.rejected[table])
        read[table] = sum(frame.height for frame in (*every, settled.unreadable[table]))
        seen = {name for frame in every for name in frame.columns if frame[name].null_count() < frame.height}
        readable[table] = sorted(seen | set(settled.texts[table].readable))
    if present:
        read[EVENTS] += present
        readable[EVENTS] = sorted(TABLES[EVENTS].columns())
    return PartFacts(
        read=read,
        reduced={EVENTS: present} if EVENTS in read else {},
        unreadable={table: found.unreadable for table, found in settled.texts.items()},
        readable=readable,
        coverage=coverage,
    )


def is_stale(notes: Mapping[str, Any]) -> bool:
    """Whether a piece has to be checked anew before it is used."""
    return bool(notes.get(STALE))


def summary(workspace: Workspace, piece: str, *, tables: Collection[str], after: Mapping[str, int]) -> CheckedPart:
    """A piece without its tables. `tables`: those of the night. `after`: the rows of each table, named as in
    `places_taken`, that stand before those of the piece."""
    notes = workspace.done(piece) or {}
    facts = facts_of(notes["facts"])
    coverage = replace(facts.coverage, tables=frozenset(tables) & {*facts.coverage.tables, *OWNED})
    return CheckedPart(
        tables={},
        alone=_moved(workspace.table(piece, "alone"), after),
        linked=_moved(workspace.table(piece, "linked"), after),
        ids=workspace.table(piece, "ids"),
        facts=replace(facts, coverage=coverage),
    )


def places_taken(notes: Mapping[str, Any]) -> dict[str, int]:
    """How many rows of a piece are rejected or unreadable, by table and kind."""
    return {
        f"{table} {file}": rows
        for file, kind in ((REJECTED, "rejected"), (UNREADABLE, "unreadable"))
        for table, rows in notes[kind].items()
    }


def _moved(rejections: pl.DataFrame, after: Mapping[str, int]) -> pl.DataFrame:
    name = pl.concat_str("table", "file", separator=" ")
    moved = name.replace_strict(dict(after), default=0, return_dtype=pl.Int64) if after else pl.lit(0, pl.Int64)
    return rejections.with_columns(pl.col(_AT) + moved)
