"""The kept state of a school year: loaded whole once, then brought up to date by what is new, corrected or withdrawn.

    load_state   an extract, whole or a delta -> a new state beside the one before (`Draft`)
    read_state   the state -> the extract of a night, judged as a whole; only then does it take the place of the old one

Whichever way a state came to be, the same records make the same night: its inputs are the state's tables, and a
rejection names the row by its place in the state's own order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import polars as pl

from cis_ews.corrections import Correction, correction_notes
from cis_ews.errors import DataError, StorageError
from cis_ews.night.extract import (
    Crew,
    Extract,
    corrected_part,
    corrections_by_part,
    known_of,
    with_empty,
)
from cis_ews.night.loaded import Loaded, LoadReport
from cis_ews.night.parts import Part
from cis_ews.night.state_days import no_days
from cis_ews.night.state_parts import (
    TORN,
    AgainTask,
    Kept,
    LoadTask,
    Pool,
    check_again,
    given_piece,
    is_stale,
    load_part,
    notes_of,
    places_taken,
    settle,
    summary,
)
from cis_ews.night.state_pool import changes_of, pooled
from cis_ews.night.state_rows import digest_of
from cis_ews.night.state_source import Brought, brought_by
from cis_ews.readers.base import silent_tables
from cis_ews.readers.folder_parts import PartedFolder
from cis_ews.readers.unchanged import unchanged
from cis_ews.schema.coverage import CoverageFacts
from cis_ews.schema.rows import no_rejections
from cis_ews.schema.school_data import TABLES, SourceFile
from cis_ews.schema.validation import (
    DEFAULT_TOLERANCE,
    OWNED,
    SHARED,
    CheckedPart,
    SourceNotes,
    Whole,
    check_shared,
)
from cis_ews.storage.erased import ErasedStudents
from cis_ews.storage.files import disk_errors
from cis_ews.storage.manifest import package_versions
from cis_ews.storage.state import (
    KeptState,
    clear_unused,
    new_piece,
    piece_notes,
    prepare_state,
    read_state,
    replace_state,
    state_pieces,
)
from cis_ews.storage.store import RunStore
from cis_ews.storage.workspace import Workspace

How = Literal["keep", "add"]
"""Whether an extract is the whole year (`keep`), or only what is new, corrected or withdrawn (`add`)."""
STATE_FORMAT = "kept state"
_CHECKERS = ("cis_ews", "dataframely", "polars")
NOTES = "rows by day"
"""What pieces note of their rows; a state whose pieces note otherwise is checked anew with the next extract."""
_LEANT_ON = ("schools", "calendar_days")
NO_STATE = "load the whole extract first, with --keep-state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A state that has not taken the place of the old one yet, and what became of the extract."""

    root: Path
    state: KeptState
    loaded: LoadReport

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What the pieces of students have noted."""
        return [piece_notes(self.root, piece) for piece in self.state.parts]

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The tables of the state as inputs of a night: whatever was loaded, the same rows are the same inputs."""
        noted = [piece_notes(self.root, self.state.shared), *self.notes]
        return tuple(_as_file(table, self.state, noted) for table in TABLES if table in self.state.columns)


def _as_file(table: str, state: KeptState, noted: Sequence[Mapping[str, Any]]) -> SourceFile:
    rows = sum(notes["facts"]["read"].get(table, 0) for notes in noted) + state.torn.get(table, 0)
    found = [kind for notes in noted for kind in [notes["sums"].get(table)] if kind is not None]
    sums = [sum(values) % 2**64 for kinds in zip(*found, strict=True) for values in zip(*kinds, strict=True)]
    said = [*sums, state.torn.get(table, 0), *state.columns[table]]
    return SourceFile(table=table, name=STATE_FORMAT, sha256=digest_of(table, rows, said), rows=rows)


def load_state(source: Path, *, how: How, runs: RunStore, crew: Crew) -> Draft:
    """Load an extract: a whole one in place of what was kept, or a delta to it. Call it under the store's lock.

    Nothing is in the place of the old state before `read_kept` has judged the new one.

    Raises:
        StorageError: a delta where nothing is kept; the state is damaged.
        DataError: the extract cannot be used; a delta has other columns, or is of another school year.
    """
    old = read_state(runs.root)
    if how == "add" and old is None:
        raise StorageError(f"{runs.root} keeps no state that a delta could be added to", hint=NO_STATE)
    try:
        return draft_of(source, old if how == "add" else None, runs=runs, crew=crew, unless=old)
    except DataError:
        clear_unused(runs.root)
        raise


def draft_of(
    source: Path,
    old: KeptState | None,
    *,
    runs: RunStore,
    crew: Crew,
    bounds: tuple[str, ...] | None = None,
    unless: KeptState | None = None,
) -> Draft:
    """A new state from `old` and a delta, or from a whole extract. `bounds`: where its parts begin, if not as the
    extract suggests. `unless`: the state to be left as it is where the extract was the last one loaded into it."""
    prepare_state(runs.root)
    work = Workspace(state_pieces(runs.root).folder / new_piece("load"))
    with disk_errors(work.folder, "write the kept state to"):
        work.folder.mkdir(mode=0o700)
    how = "keep" if old is None else "add"
    with unchanged(source):
        brought = brought_by(source, old, work=work, crew=crew, bounds=bounds)
        if unless is not None and _is_loaded(brought, unless, how=how) and not _has_to_be_checked(runs.root, unless):
            report = _report(brought, how, was_loaded=True, parts=(0, len(unless.parts)))
            return Draft(root=runs.root, state=unless, loaded=report)
        return _drafted(brought, old, runs=runs, crew=crew)


def _is_loaded(brought: Brought, old: KeptState, *, how: How) -> bool:
    return old.extracts[-1] == brought.digest and (how == "add" or len(old.extracts) == 1)


def _has_to_be_checked(root: Path, old: KeptState) -> bool:
    return old.versions != _versions() or any(is_stale(piece_notes(root, piece)) for piece in old.parts)


def _versions() -> dict[str, str]:
    installed = package_versions()
    return {**{name: installed[name] for name in _CHECKERS}, "notes": NOTES}


def _report(
    brought: Brought, how: How, *, was_loaded: bool, parts: tuple[int, int], rows: Loaded | None = None
) -> LoadReport:
    return LoadReport(
        how=how,
        was_loaded=was_loaded,
        parts=parts,
        rows=rows or Loaded(),
        torn={table: count for table, count in brought.torn.items() if count},
        notes=brought.notes,
    )


def _drafted(brought: Brought, old: KeptState | None, *, runs: RunStore, crew: Crew) -> Draft:
    root = runs.root
    with crew.watch.step("schools and calendar"):
        shared, rows, has_changed = _load_shared(root, brought, old)
    afresh = old is None or has_changed or old.versions != _versions()
    tasks = [
        task
        for number in range(len(brought.bounds))
        for task in [_task(number, brought, old, root=root, shared=shared, erased=runs.erased(), afresh=afresh)]
        if task is not None
    ]
    loaded = crew.work("load", load_part, tasks)
    made = {task.number: task.made for task in tasks}
    state = KeptState(
        bounds=brought.bounds,
        parts=tuple(made.get(number) or (old.parts[number] if old else "") for number in range(len(brought.bounds))),
        shared=shared,
        columns=brought.columns,
        torn=dict(Counter(brought.torn) + Counter(old.torn if old else {})),
        extracts=(*(old.extracts if old else ()), brought.digest),
        versions=_versions(),
    )
    report = _report(
        brought,
        "keep" if old is None else "add",
        was_loaded=False,
        parts=(len(tasks), len(brought.bounds)),
        rows=sum(loaded, rows),
    )
    return Draft(root=root, state=state, loaded=report)


def _task(
    number: int,
    brought: Brought,
    old: KeptState | None,
    *,
    root: Path,
    shared: str,
    erased: ErasedStudents,
    afresh: bool,
) -> LoadTask | None:
    """What has to be done for a part; None where it stays as it is."""
    before = None if old is None else old.parts[number]
    is_given = isinstance(brought.given, PartedFolder) or brought.given.done(given_piece(number)) is not None
    has_to_be = before is not None and (afresh or is_stale(piece_notes(root, before)))
    if before is not None and not is_given and not has_to_be:
        return None
    return LoadTask(
        pieces=state_pieces(root),
        made=new_piece(f"part-{number:05d}"),
        before=before,
        given=brought.given,
        number=number,
        tables=tuple(brought.columns),
        shared=shared,
        afresh=before is None or has_to_be,
        erased=erased,
    )


def _load_shared(root: Path, brought: Brought, old: KeptState | None) -> tuple[str, Loaded, bool]:
    """The piece of the tables about no student; what was brought; whether what students lean on has changed."""
    if old is not None and not brought.shared and not brought.removed and old.versions == _versions():
        return old.shared, Loaded(), False
    pieces, before = state_pieces(root), Kept(state_pieces(root), None if old is None else old.shared)
    changes = changes_of(brought.shared, brought.removed, is_first=old is None)
    if old is not None and "calendar_days" in changes:
        _refuse_other_year(before.rows("calendar_days"), changes["calendar_days"].rows.readable)
    pools: dict[str, Pool] = {}
    for table in (table for table in SHARED if table in brought.columns):
        rows = [before.rows(table), before.rejected(table)]
        pools[table] = pooled(table, rows, rows[0].clear(), text=before.unreadable(table), change=changes.get(table))
    settled = settle(pools, lambda frames, _: check_shared(frames), {})
    made = new_piece("shared")
    with pieces.piece(made) as piece:
        for name, frame in {**with_empty(SHARED, settled.rows), **settled.aside}.items():
            piece.write(name, frame)
        piece.notes.update(notes_of(settled, CoverageFacts(tables=frozenset(pools)), days=no_days()))
    has_changed = any(not before.rows(table).equals(settled.rows[table]) for table in _LEANT_ON)
    rows = Loaded(
        brought={table: change.rows.height for table, change in changes.items()},
        withdrawn={table: change.withdrawn.height for table, change in changes.items() if change.withdrawn.height},
        rejections=settled.in_extract,
    )
    return made, rows, has_changed


def _refuse_other_year(kept: pl.DataFrame, brought: pl.DataFrame) -> None:
    others = set(brought.get_column("school_year")) - set(kept.get_column("school_year"))
    if others and kept.height:
        raise DataError(
            f"the delta has calendar days of {len(others)} school years that the state does not have",
            hint="load the whole extract of the new year with --keep-state",
        )


@dataclass(slots=True, kw_only=True)
class _Judged:
    """A state while it is judged as a whole: the pieces that a night reads, and where they lie."""

    draft: Draft
    whole: Whole
    workspace: Workspace
    pieces: list[str]
    shared: str
    places: list[dict[str, int]] = field(default_factory=list[dict[str, int]])


def read_kept(
    draft: Draft,
    *,
    as_of: date,
    tolerance: float | None,
    corrections: Sequence[Correction],
    workspace: Workspace,
    crew: Crew,
) -> Extract:
    """The extract of a night from a state, which takes the place of the one before if it can be used.

    Raises SchemaError and ToleranceError as for any extract; then the state before stays.
    """
    try:
        judged = _judge(draft, as_of=as_of, tolerance=tolerance, workspace=workspace, crew=crew)
    except DataError:
        clear_unused(draft.root)
        raise
    if draft.state != read_state(draft.root):
        with crew.watch.step("keep the state"):
            replace_state(draft.root, draft.state)
    else:
        clear_unused(draft.root)
    return _extract(judged, corrections, workspace)


def _judge(draft: Draft, *, as_of: date, tolerance: float | None, workspace: Workspace, crew: Crew) -> _Judged:
    state, root = draft.state, draft.root
    files = draft.files
    whole = Whole(
        given=_used_columns(state, files),
        as_of=as_of,
        tolerance=DEFAULT_TOLERANCE if tolerance is None else tolerance,
        source=SourceNotes(files=files, rejections=_torn(state), left_out=_silent(state, files)),
    )
    pieces = state_pieces(root)
    whole.judge_shared(_shared_summary(draft, whole))
    judged = _Judged(draft=draft, whole=whole, workspace=pieces, pieces=list(state.parts), shared=state.shared)
    is_whole = set(whole.left_out) == set(whole.source.left_out)
    while not (is_whole and whole.judge([_shared_summary(draft, whole), *_summaries(judged)])):
        is_whole = True
        _without_tables(judged, workspace, crew)
    return judged


def _used_columns(state: KeptState, files: Sequence[SourceFile]) -> dict[str, tuple[str, ...]]:
    silent = _silent(state, files)
    return {table: names for table, names in state.columns.items() if table not in silent}


def _silent(state: KeptState, files: Sequence[SourceFile]) -> dict[str, str]:
    """Tables that should never be empty, and are."""
    rows = {file.table: file.rows - state.torn.get(file.table, 0) for file in files}
    return silent_tables(rows)


def _torn(state: KeptState) -> pl.DataFrame:
    found = [
        pl.select(
            table=pl.lit(table),
            file=pl.lit(TORN),
            row_number=pl.int_range(1, rows + 1, dtype=pl.Int64),
            rule=pl.lit("ragged_row"),
            column=pl.lit(None, dtype=pl.String),
            known_on=pl.lit(None, dtype=pl.Date),
        )
        for table, rows in state.torn.items()
    ]
    return pl.concat([no_rejections(), *found])


def _shared_summary(draft: Draft, whole: Whole) -> CheckedPart:
    """The tables about no student; they tell of no table that was left out since."""
    return summary(state_pieces(draft.root), draft.state.shared, tables=whole.tables, after={})


def _summaries(judged: _Judged) -> list[CheckedPart]:
    """The parts, their rejections by the place of a row in the whole state."""
    after, found = Counter[str](), list[CheckedPart]()
    for piece in judged.pieces:
        found.append(summary(judged.workspace, piece, tables=judged.whole.tables, after=after))
        after.update(places_taken(judged.workspace.done(piece) or {"rejected": {}, "unreadable": {}}))
    return found


def _without_tables(judged: _Judged, workspace: Workspace, crew: Crew) -> None:
    """Check every part again without the tables that are left out, for this night alone."""
    state, whole = judged.draft.state, judged.whole
    attempt = "-".join(["0", *sorted(set(whole.left_out) - set(whole.source.left_out))])
    judged.workspace, judged.shared = workspace, f"shared-{attempt}"
    shared = Kept(state_pieces(judged.draft.root), state.shared)
    workspace.keep(
        judged.shared, with_empty(SHARED, {table: shared.rows(table) for table in SHARED if table in whole.tables})
    )
    judged.pieces = [f"extract-{attempt}-{number:05d}" for number in range(len(state.parts))]
    tasks = [
        AgainTask(
            pieces=state_pieces(judged.draft.root),
            before=state.parts[number],
            tables=tuple(whole.tables),
            workspace=workspace,
            shared=judged.shared,
            made=made,
        )
        for number, made in enumerate(judged.pieces)
    ]
    crew.work("check again", check_again, tasks)


def _extract(judged: _Judged, corrections: Sequence[Correction], workspace: Workspace) -> Extract:
    """What a night works on: the parts where they lie, those with corrections in the night's own workspace."""
    whole, state = judged.whole, judged.draft.state
    shared = {table: judged.workspace.table(judged.shared, table) for table in SHARED if table in whole.tables}
    coverage = whole.coverage(shared)
    parts, corrected, rejections = list[Part](), list[Correction](), [no_rejections()]
    for number, found in enumerate(corrections_by_part(corrections, state.bounds)):
        part = Part(
            number=number,
            workspace=judged.workspace,
            piece=judged.pieces[number],
            shared=judged.shared,
            coverage=coverage,
        )
        if found:
            part, usable = _corrected(part, shared, found, workspace=workspace)
            corrected += [found[place] for place in usable]
            rejections.append(workspace.table(part.piece, "corrected"))
        parts.append(part)
    notes = correction_notes(corrected, passed_over=len(corrections) - len(corrected)) if corrections else []
    known = known_of(
        whole,
        replace(coverage, notes=(*coverage.notes, *notes)),
        shared=shared,
        corrected=corrected,
        rejections=rejections,
    )
    return Extract(whole=known, parts=parts, workspace=workspace, loaded=judged.draft.loaded)


def _corrected(
    part: Part, shared: Mapping[str, pl.DataFrame], corrections: Sequence[Correction], *, workspace: Workspace
) -> tuple[Part, list[int]]:
    """A part with its corrections, and the places of those that were used."""
    name, beside = f"corrected-{part.name}", f"shared-{part.name}"
    notes = workspace.done(name)
    if notes is None:
        held = part.load()
        tables, rejected, usable = corrected_part({table: held.table(table) for table in OWNED}, shared, corrections)
        workspace.keep(beside, with_empty(SHARED, shared))
        with workspace.piece(name) as piece:
            for table, rows in {**tables, "corrected": rejected}.items():
                piece.write(table, rows)
            piece.notes["corrected"] = usable
        notes = piece.notes
    return replace(part, workspace=workspace, piece=name, shared=beside), notes["corrected"]
