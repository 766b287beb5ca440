"""Parts of school data: ranges of student_id, each with every row of its students.

A student's history is never cut: a range is of students, not of schools. The tables of a part are those of the whole,
filtered; schools, calendar and reporting are whole in each. What is said of the extract as a whole, its coverage, goes
with every part, so that each gives its students the same numbers as the whole would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import polars as pl

from cis_ews.schema.coverage import Coverage
from cis_ews.schema.rows import no_rejections
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.schema.scores import Rejections
from cis_ews.schema.validation import OWNED, SHARED
from cis_ews.storage.workspace import Workspace

STUDENTS_A_PART = 40_000
_PART = "__part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: its number, and its school data in memory, or the pieces of a workspace that hold them.

    `piece`: its own tables. `shared`: those that all parts share. `coverage`: of the whole extract.
    """

    number: int
    held: SchoolData | None = None
    workspace: Workspace | None = None
    piece: str = ""
    shared: str = ""
    coverage: Coverage | None = None

    @property
    def name(self) -> str:
        """The part in the names of its pieces of work."""
        return f"{self.number:05d}"

    def load(self) -> SchoolData:
        """The school data of the part."""
        if self.held is not None:
            return self.held
        if self.workspace is None:
            raise ValueError("a part has its data or knows where they lie")
        return self.with_rows({table: self.workspace.table(self.piece, table) for table in OWNED})

    def table(self, name: str) -> pl.DataFrame:
        """One of its tables, or one that all parts share."""
        if self.held is not None:
            return self.held.table(name)
        if self.workspace is None:
            raise ValueError("a part has its data or knows where they lie")
        return self.workspace.table(self.shared if name in SHARED else self.piece, name)

    @property
    def whole(self) -> tuple[Coverage, Mapping[str, pl.DataFrame]]:
        """What is said of the whole extract, and the tables that all parts share."""
        if self.held is not None:
            return self.held.coverage, {table: self.held.table(table) for table in SHARED}
        if self.workspace is None or self.coverage is None:
            raise ValueError("a part has its data or knows where they lie")
        return self.coverage, shared_tables(self.workspace, self.shared)

    def with_rows(self, tables: Mapping[str, pl.DataFrame]) -> SchoolData:
        """School data of these rows of students, beside what all parts share."""
        coverage, shared = self.whole
        return part_of(tables, shared, coverage)


def parts_of(school_data: SchoolData, workspace: Workspace, *, students_a_part: int) -> list[Part]:
    """The parts of school data that are in memory: one part as it is, several through the workspace."""
    bounds = student_bounds(school_data.students.get_column("student_id"), students_a_part=students_a_part)
    if len(bounds) == 1:
        return [Part(number=0, held=school_data)]
    workspace.keep("shared", {table: school_data.table(table) for table in SHARED})
    by_table = {table: _by_part(school_data.table(table), bounds) for table in OWNED}
    parts = [
        Part(
            number=number,
            workspace=workspace,
            piece=f"extract-{number:05d}",
            shared="shared",
            coverage=school_data.coverage,
        )
        for number in range(len(bounds))
    ]
    for part in parts:
        workspace.keep(part.piece, {table: cut[part.number] for table, cut in by_table.items()})
    return parts


def part_of(tables: Mapping[str, Any], shared: Mapping[str, Any], coverage: Coverage) -> SchoolData:
    """School data of checked tables; those that all parts share are taken as they are, typed and whole."""
    frames: dict[str, Any] = {table: TABLES[table].cast(rows) for table, rows in tables.items()}
    return SchoolData(**frames, **shared, rejections=Rejections.cast(no_rejections()), coverage=coverage)


def shared_tables(workspace: Workspace, piece: str) -> Mapping[str, pl.DataFrame]:
    """The tables that all parts share, loaded once a process: every part gets the very same frames."""
    return _shared(workspace, piece, workspace.stamp(piece))


def student_bounds(student_ids: pl.Series, *, students_a_part: int) -> list[str]:
    """Where each part begins, in the order of the ids: the first at the empty text, so that every id has a part."""
    ordered = student_ids.unique().sort()
    return ["", *ordered.gather_every(students_a_part, offset=students_a_part).to_list()]


def _by_part(rows: pl.DataFrame, bounds: Sequence[str]) -> list[pl.DataFrame]:
    """The rows of each part, in their order."""
    part = pl.Series(bounds).search_sorted(rows.get_column("student_id"), side="right").alias(_PART) - 1
    ordered = rows if part.is_sorted() else rows.with_columns(part).sort(_PART, maintain_order=True).drop(_PART)
    starts = pl.Series(range(len(bounds)), dtype=part.dtype)
    places = [*part.sort().search_sorted(starts), rows.height]
    return [ordered.slice(first, end - first) for first, end in pairwise(places)]


@lru_cache(maxsize=1)
def _shared(workspace: Workspace, piece: str, stamp: tuple[int, int]) -> Mapping[str, pl.DataFrame]:  # noqa: ARG001
    """`stamp`: of that piece, and not of an earlier night's."""
    return {table: TABLES[table].cast(workspace.table(piece, table)) for table in SHARED}
