"""Names and reasons of a night packed by the workers, some parts at a time, while the publish brings in the scores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from cis_ews.night.engine import over_parts
from cis_ews.night.extract import Crew
from cis_ews.night.parts import Part
from cis_ews.night.passes import judged_piece
from cis_ews.night.records import RecordPieces
from cis_ews.progress import SILENT
from cis_ews.schema.coded import CodedTable
from cis_ews.storage.before import reasons_before
from cis_ews.storage.people_blocks import SLICE_STUDENTS, Block, check_told, packed_people, told_of
from cis_ews.storage.runs import Run
from cis_ews.storage.workspace import Workspace

_BEFORE = "before"
_BLOCKS = {"district_id": pl.String(), "school_id": pl.String(), "part": pl.Int32(), "block": pl.Binary()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleTask:
    """What a worker has to know to pack the names and reasons of some parts that stand together.

    `number`: of the task; `first`: the place of the first part among all.
    """

    run: Run
    records: RecordPieces
    number: int
    first: int
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleOfParts:
    """The names and reasons of a night: a `cis_ews.storage.people_blocks.PeopleSource` that the workers pack."""

    run: Run
    parts: Sequence[Part]
    records: RecordPieces
    crew: Crew

    @property
    def workspace(self) -> Workspace:
        """Where the parts are packed."""
        return self.records.workspace

    def blocks(self, districts: Collection[str]) -> Iterator[Block]:
        """The blocks of districts, all of them packed first, those of one piece in memory at once.

        Raises StorageError if the run has other reasons than its manifest says.
        """
        pieces = over_parts(self.crew.engine, pack_people, self._tasks(), progress=SILENT)
        self.crew.engine.rest()
        check_told(self.run, sum((self.workspace.done(piece) or {})["told"] for piece in pieces))
        return self._found(pieces, districts)

    def _tasks(self) -> list[PeopleTask]:
        self.workspace.keep(_BEFORE, {_BEFORE: reasons_before(self.run)})
        together = max(1, SLICE_STUDENTS // self.crew.students_a_part)
        return [
            PeopleTask(
                run=self.run,
                records=self.records,
                number=number,
                first=first,
                parts=self.parts[first : first + together],
            )
            for number, first in enumerate(range(0, len(self.parts), together))
        ]

    def _found(self, pieces: Sequence[str], districts: Collection[str]) -> Iterator[Block]:
        for piece in pieces:
            rows = self.workspace.table(piece, "blocks")
            yield from rows.filter(pl.col("district_id").is_in(list(districts))).iter_rows()


def pack_people(task: PeopleTask) -> str:
    """Pack the names and reasons of some parts; the name of the piece: `blocks`, and how many reasons were told."""
    name, workspace = f"people-{task.number:05d}", task.records.workspace
    if workspace.done(name) is None:
        names = pl.concat([part.table("students") for part in task.parts])
        ids = names["student_id"].sort()
        # Parts may have lost their last student to a deletion since their bounds were set.
        first, last = (ids[0], ids[-1]) if len(ids) else ("", "")
        scored = task.run.rows_between("scores", first, last, columns=["student_id", "school_id"])
        reasons = _reasons(task, first, last)
        places = task.parts[0].table("schools").select("school_id", "district_id")
        people = scored.join(places, on="school_id", maintain_order="left")
        lists = {"reasons": reasons, "before": workspace.table(_BEFORE, _BEFORE)}
        behind = task.records.behind(slice(task.first, task.first + len(task.parts)))
        blocks = packed_people(people, names, lists=lists, behind=behind, part=task.number)
        with workspace.piece(name) as piece:
            columns = dict(zip(_BLOCKS, zip(*blocks, strict=True), strict=True)) if blocks else {}
            piece.write("blocks", pl.DataFrame(columns, schema=_BLOCKS), compressed=False)
            piece.notes["told"] = told_of(reasons, scored["student_id"])
    return name


def _reasons(task: PeopleTask, first: str, last: str) -> CodedTable:
    """The reasons of the students from one id to another: in codes, as they were judged, or those of a run done before.

    A piece of this night's workspace holds what is in the run.
    """
    workspace, pieces = task.records.workspace, [judged_piece(part) for part in task.parts]
    if any(workspace.done(piece) is None for piece in pieces):
        return CodedTable(task.run.rows_between("reasons", first, last), {})
    return CodedTable.concat([workspace.coded(piece, "reasons") for piece in pieces])
