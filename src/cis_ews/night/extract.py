"""The extract of a night: read and checked whole where it is small, in parts where it is large and lies by student."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from cis_ews.corrections import (
    Correction,
    apply_corrections,
    correction_notes,
    overlay,
    usable_corrections,
)
from cis_ews.night.engine import Engine, over_parts
from cis_ews.night.facts import facts_of, plain
from cis_ews.night.loaded import LoadReport
from cis_ews.night.measuring import Measuring
from cis_ews.night.parts import Part, part_of, parts_of, shared_tables
from cis_ews.progress import Stopwatch
from cis_ews.readers import read_school_data
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder_parts import Parted, PartedFolder, parted_folder
from cis_ews.schema.coverage import Coverage, describe_coverage
from cis_ews.schema.rows import no_rejections
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.schema.scores import Rejections
from cis_ews.schema.validation import OWNED, SHARED, CheckedPart, Whole, check_part, check_shared, used
from cis_ews.storage.store import RunStore
from cis_ews.storage.workspace import Workspace

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does the work on parts, how large the parts are, and the watch that notes what it costs."""

    engine: Engine
    _: KW_ONLY
    students_a_part: int
    watch: Stopwatch

    def work(self, step: str, work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Do the same with every part, as one step of the night."""
        with self.watch.step(step, total=len(tasks)):
            return over_parts(self.engine, work, tasks, progress=self.watch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """An extract that was checked.

    `whole`: what is known of all of it; its tables about students are empty where they are in parts alone. `parts`:
    None where everything is in `whole`. `workspace`: where the night works on them. `loaded`: what became of the
    source, where a state is kept.
    """

    whole: SchoolData
    parts: Sequence[Part] | None = None
    workspace: Workspace | None = None
    loaded: LoadReport | None = None

    def parts_for(self, workspace: Workspace, *, students_a_part: int) -> Sequence[Part]:
        """The parts to work on."""
        return self.parts or parts_of(self.whole, workspace, students_a_part=students_a_part)

    def table(self, name: str) -> pl.DataFrame:
        """A table about students, put together from its parts; the caller answers for what it is read for."""
        if self.parts is None:
            return self.whole.table(name)
        return pl.concat([part.workspace.table(part.piece, name) for part in self.parts if part.workspace])

    @property
    def students(self) -> pl.DataFrame:
        """The table of students, for those who may see names."""
        return self.table("students")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTask:
    """What a worker has to know to check a part. `tables`: those to use. `corrections`: those that may be of it.

    `measuring`: what it takes to measure the part at once; None where it is only checked.
    """

    folder: PartedFolder
    workspace: Workspace
    number: int
    piece: str
    shared: str
    tables: tuple[str, ...]
    corrections: tuple[Correction, ...]
    measuring: Measuring | None


def large_extract(source: Path, *, tolerance: float | None, as_of: date | None, crew: Crew) -> Parted | None:
    """How to read a large folder in parts; None where it is to be read whole."""
    options = ReadOptions(tolerance=tolerance, as_of=as_of, progress=crew.watch)
    with crew.watch.step("look"):
        return parted_folder(source, options, students_a_part=crew.students_a_part)


def read_whole(
    source: Path,
    *,
    format: str,  # noqa: A002 - the public word for it
    tolerance: float | None,
    as_of: date,
    runs: RunStore,
    watch: Stopwatch,
) -> Extract:
    """Read and check an extract in memory, for a night as of a day."""
    with watch.step("read"):
        school_data = read_school_data(source, format=format, tolerance=tolerance, as_of=as_of, progress=watch)
    with watch.step("correct"):
        return Extract(whole=apply_corrections(school_data, runs))


def read_in_parts(
    parted: Parted,
    *,
    corrections: Sequence[Correction],
    workspace: Workspace,
    crew: Crew,
    measuring: Measuring | None = None,
) -> Extract:
    """Check a large folder part by part, each by one worker, and keep the parts in the workspace.

    `measuring`: to measure each part at once, while its tables are in memory; what is found waits in the workspace.
    """
    whole, bounds = parted.whole, parted.folder.bounds
    shared = check_shared(parted.shared)
    whole.judge_shared(shared)
    by_part = corrections_by_part(corrections, bounds)
    if (
        measuring is not None
        and used(shared, whole)["calendar_days"].filter(pl.col("date") <= measuring.as_of).is_empty()
    ):
        measuring = None  # there is nothing to measure: the night is told so once the extract is judged
    while True:
        attempt = f"{len(whole.left_out)}"
        workspace.keep(f"shared-{attempt}", with_empty(SHARED, used(shared, whole)))
        tasks = [
            CheckTask(
                folder=parted.folder,
                workspace=workspace,
                number=number,
                piece=f"extract-{attempt}-{number:05d}",
                shared=f"shared-{attempt}",
                tables=tuple(whole.tables),
                corrections=tuple(by_part[number]),
                measuring=measuring,
            )
            for number in range(len(bounds))
        ]
        usable = crew.work("read", check_task, tasks)
        if whole.judge([shared, *(_summary(workspace, task) for task in tasks)]):
            break
    parted.folder.check_found(whole.rows_read)
    coverage = whole.coverage(used(shared, whole))
    parts = [
        Part(number=task.number, workspace=workspace, piece=task.piece, shared=task.shared, coverage=coverage)
        for task in tasks
    ]
    corrected = [by_part[number][place] for number, places in enumerate(usable) for place in places]
    notes = correction_notes(corrected, passed_over=len(corrections) - len(corrected)) if corrections else []
    known = known_of(
        whole,
        replace(coverage, notes=(*coverage.notes, *notes)),
        shared=used(shared, whole),
        corrected=corrected,
        rejections=[workspace.table(task.piece, "corrected") for task in tasks],
    )
    return Extract(whole=known, parts=parts, workspace=workspace)


def known_of(
    whole: Whole,
    coverage: Coverage,
    *,
    shared: Mapping[str, pl.DataFrame],
    corrected: Sequence[Correction],
    rejections: Sequence[pl.DataFrame],
) -> SchoolData:
    """What is known of the whole; its tables about students stay empty. `rejections`: of corrections."""
    frames: dict[str, Any] = {table: TABLES[table].cast(rows) for table, rows in with_empty(TABLES, shared).items()}
    return SchoolData(
        **frames,
        rejections=Rejections.cast(pl.concat([whole.rejections, *map(Rejections.cast, rejections)])),
        coverage=coverage,
        rows_read=whole.rows_read,
        rows_reduced=whole.rows_reduced,
        files=(*whole.source.files, *(file for correction in corrected for file in correction.files)),
    )


def check_task(task: CheckTask) -> list[int]:
    """Check a part and keep it, measured too where it is asked for; which of its corrections could be used."""
    notes = task.workspace.done(task.piece)
    if notes is None:
        notes = _check(task)
    return [int(place) for place in notes["corrected"]]


def _check(task: CheckTask) -> dict[str, Any]:
    every = shared_tables(task.workspace, task.shared)
    shared = {table: every[table] for table in SHARED if table in task.tables}
    frames, events = task.folder.frames(task.number, task.tables)
    checked = check_part(frames, shared, events=events)
    del frames, events
    tables = with_empty(OWNED, checked.tables)
    tables, of_corrections, usable = corrected_part(tables, shared, task.corrections)
    with task.workspace.piece(task.piece) as piece:
        for table, rows in {**tables, "alone": checked.alone, "linked": checked.linked, "ids": checked.ids}.items():
            piece.write(table, rows)
        piece.write("corrected", of_corrections)
        piece.notes["facts"] = plain(checked.facts)
        piece.notes["corrected"] = usable
    if task.measuring is not None:
        # As far as the part alone can tell: whether the whole tells the same is seen when it is known.
        coverage = describe_coverage(
            checked.facts.coverage, schools=every["schools"], reporting=None, left_out={}, partial={}
        )
        part = Part(
            number=task.number, workspace=task.workspace, piece=task.piece, shared=task.shared, coverage=coverage
        )
        task.measuring.measure(part, part.with_rows(tables), Stopwatch())
    return piece.notes


def corrected_part(
    tables: Mapping[str, pl.DataFrame], shared: Mapping[str, pl.DataFrame], corrections: Sequence[Correction]
) -> tuple[Mapping[str, pl.DataFrame], pl.DataFrame, list[int]]:
    """The tables of a part with its corrections, what was rejected of these, and the places of those that were used."""
    if not corrections:
        return tables, no_rejections(), []
    beside = {table: TABLES[table].cast(rows) for table, rows in with_empty(SHARED, shared).items()}
    school_data = part_of(tables, beside, Coverage())
    usable = usable_corrections(school_data, corrections)
    corrected = overlay(school_data, usable)
    places = [corrections.index(correction) for correction in usable]
    return {table: corrected.table(table) for table in OWNED}, corrected.rejections, places


def _summary(workspace: Workspace, task: CheckTask) -> CheckedPart:
    """A checked part without its tables."""
    notes = workspace.done(task.piece) or {}
    return CheckedPart(
        tables={},
        alone=workspace.table(task.piece, "alone"),
        linked=workspace.table(task.piece, "linked"),
        ids=workspace.table(task.piece, "ids"),
        facts=facts_of(notes["facts"]),
    )


def corrections_by_part(corrections: Sequence[Correction], bounds: Sequence[str]) -> list[list[Correction]]:
    """The corrections of each part."""
    found: list[list[Correction]] = [[] for _ in bounds]
    for correction in corrections:
        found[bisect_right(bounds, correction.student_id.encode(), key=str.encode) - 1].append(correction)
    return found


def with_empty(names: Iterable[str], tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """These tables, empty where they are not there."""
    return {name: tables.get(name, pl.DataFrame(TABLES[name].create_empty())) for name in names}
