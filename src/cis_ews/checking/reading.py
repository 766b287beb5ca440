"""A source read and checked, and counted: whole, or where it is large and lies by student in parts, none of it kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.checking.counting import Counts, count, together
from cis_ews.night.extract import Crew, large_extract, with_empty
from cis_ews.night.parts import part_of
from cis_ews.readers import read_draft
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder_parts import Parted, PartedFolder
from cis_ews.readers.unchanged import unchanged
from cis_ews.schema.coverage import Coverage
from cis_ews.schema.school_data import TABLES, SchoolData, SourceFile
from cis_ews.schema.validation import EVENTS, OWNED, SHARED, CheckedPart, check_part, check_shared, used


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSource:
    """A source after the rules were asked.

    `rows_read`, `rows_reduced`: as `SchoolData` has them. `rejections`: every one. `schools`, `calendar_days`: checked.
    """

    counts: Counts
    rows_read: Mapping[str, int]
    rows_reduced: Mapping[str, int]
    rejections: pl.DataFrame
    coverage: Coverage
    schools: pl.DataFrame
    calendar_days: pl.DataFrame
    files: tuple[SourceFile, ...]

    @property
    def newest_day(self) -> date:
        """The last day that any school reported; where none did, the last calendar day."""
        days: list[date] = self.calendar_days["date"].sort().tail(1).to_list()
        return max(self.coverage.last_reported.values(), default=days[0])


def check_source(
    source: Path,
    *,
    format: str,  # noqa: A002 - the public word for it
    tolerance: float | None,
    as_of: date | None,
    crew: Crew,
) -> CheckedSource:
    """Read a source, ask the rules, count. Raises as `read_school_data` does."""
    with unchanged(source):
        if format == "folder":
            parted = large_extract(source, tolerance=tolerance, as_of=as_of, crew=crew)
            if parted is not None:
                return _in_parts(parted, as_of=as_of, crew=crew)
        options = ReadOptions(tolerance=tolerance, as_of=as_of, progress=crew.watch)
        with crew.watch.step("read"):
            return _whole(source, format, options)


def _whole(source: Path, format: str, options: ReadOptions) -> CheckedSource:  # noqa: A002
    draft = read_draft(format, source, options)
    school_data = draft.checked(options)
    given = {table: [frame] for table, frame in draft.frames.items()}
    counts = count(school_data, given, rejections=school_data.rejections, tables=TABLES, as_of=options.as_of)
    return _checked(school_data, counts)


def _checked(school_data: SchoolData, counts: Counts) -> CheckedSource:
    return CheckedSource(
        counts=counts,
        rows_read=school_data.rows_read,
        rows_reduced=school_data.rows_reduced,
        rejections=school_data.rejections,
        coverage=school_data.coverage,
        schools=school_data.schools,
        calendar_days=school_data.calendar_days,
        files=school_data.files,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTask:
    """What a worker has to know to check and count a part. `tables`: those to use. `shared`: those of all parts."""

    folder: PartedFolder
    number: int
    tables: tuple[str, ...]
    shared: Mapping[str, pl.DataFrame]
    as_of: date | None


def _in_parts(parted: Parted, *, as_of: date | None, crew: Crew) -> CheckedSource:
    whole, folder = parted.whole, parted.folder
    shared = check_shared(parted.shared)
    whole.judge_shared(shared)
    left_out = list[Counts]()
    while True:
        beside = used(shared, whole)
        tasks = [
            PartTask(folder=folder, number=number, tables=tuple(whole.tables), shared=beside, as_of=as_of)
            for number in range(len(folder.bounds))
        ]
        parts = crew.work("read", check_one_part, tasks)
        if whole.judge([shared, *(part for part, _ in parts)]):
            break
        left_out.append(together([counts for _, counts in parts]).left_out(set(tasks[0].tables) - set(whole.tables)))
    folder.check_found(whole.rows_read)
    beside = used(shared, whole)
    known = _typed({}, beside, whole.coverage(beside))
    given = {table: [frame] for table, frame in parted.shared.items()}
    broken = pl.concat([shared.alone, shared.linked])
    of_shared = count(known, given, rejections=broken, tables=SHARED, as_of=as_of)
    found = replace(
        known,
        rejections=whole.rejections,  # pyright: ignore[reportArgumentType] - as the contract has them
        rows_read=whole.rows_read,
        rows_reduced=whole.rows_reduced,
        files=whole.source.files,
    )
    return _checked(found, together([of_shared, *left_out, *(counts for _, counts in parts)]))


def _typed(tables: Mapping[str, pl.DataFrame], shared: Mapping[str, pl.DataFrame], coverage: Coverage) -> SchoolData:
    beside: dict[str, Any] = {table: TABLES[table].cast(rows) for table, rows in with_empty(SHARED, shared).items()}
    return part_of(with_empty(OWNED, tables), beside, coverage)


def check_one_part(task: PartTask) -> tuple[CheckedPart, Counts]:
    """Check and count a part; its tables are not kept."""
    frames, batches = task.folder.frames(task.number, task.tables)
    checked = check_part(frames, task.shared, events=batches)
    given: dict[str, Iterable[pl.DataFrame]] = {table: [frame] for table, frame in frames.items()}
    if batches is not None:
        given[EVENTS] = batches
    del frames
    counts = count(
        _typed(checked.tables, task.shared, Coverage()),
        given,
        rejections=pl.concat([checked.alone, checked.linked]),
        tables=OWNED,
        as_of=task.as_of,
    )
    return replace(checked, tables={}), counts
