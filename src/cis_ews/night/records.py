"""The records behind the reasons of a night, as its parts have packed them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import polars as pl

from cis_ews.night.engine import over_parts
from cis_ews.night.extract import Crew
from cis_ews.night.parts import Part
from cis_ews.night.passes import RecordTask, keep_records
from cis_ews.progress import SILENT
from cis_ews.storage.runs import Run
from cis_ews.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RecordPieces:
    """The records that the parts of a night have packed."""

    workspace: Workspace
    pieces: Sequence[str]

    def behind(self, numbers: slice = slice(None)) -> pl.DataFrame:
        """`student_id`, `days_absent` and `records`, the part of the district's blocks, of everyone who is scored.

        `numbers`: of which parts of the night.
        """
        parts = list(zip(self.pieces, self._first_parts(), strict=True))[numbers]
        found = [self.workspace.table(name, "behind").with_columns(pl.col("records") + first) for name, first in parts]
        return pl.concat(found)

    def blocks(self, districts: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        """The blocks of districts: district, part, block; those of one piece in memory at once."""
        for name, first in zip(self.pieces, self._first_parts(), strict=True):
            rows = self.workspace.table(name, "blocks").filter(pl.col("district_id").is_in(list(districts)))
            yield from rows.with_columns(pl.col("part") + first).iter_rows()

    def _first_parts(self) -> list[int]:
        """The number of the first part of each piece, so that no two pieces have one of the same number."""
        numbers = ((self.workspace.done(name) or {})["blocks"] for name in self.pieces)
        return list(accumulate(numbers, initial=0))[:-1]


def kept_records(parts: Sequence[Part], run: Run, *, workspace: Workspace, crew: Crew) -> RecordPieces:
    """The records of all parts as of a night: packed when they were measured; of a night done before it is done now."""
    tasks = [RecordTask(workspace=workspace, part=part, as_of=run.as_of, run=run.path) for part in parts]
    return RecordPieces(workspace, over_parts(crew.engine, keep_records, tasks, progress=SILENT))
