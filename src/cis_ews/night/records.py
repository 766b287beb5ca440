"""What a night keeps for the pages of students and schools: records behind the reasons, calendars, capacities."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

import polars as pl

from cis_ews.calendars import school_year_at
from cis_ews.night.engine import over_parts
from cis_ews.night.extract import Crew, Extract
from cis_ews.night.passes import RecordTask, keep_records
from cis_ews.progress import SILENT
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.school_data import SchoolData
from cis_ews.storage.runs import Run
from cis_ews.storage.workspace import Workspace
from cis_ews.support.reviews import night_rule

if TYPE_CHECKING:
    from cis_ews.storage.database import Database, PublishReport


@dataclass(frozen=True, slots=True)
class RecordPieces:
    """The records that the parts of a night have packed."""

    workspace: Workspace
    pieces: Sequence[str]

    def behind(self) -> pl.DataFrame:
        """`student_id`, `days_absent` and `records`, the part of the district's blocks, of everyone who is scored."""
        found = [self.workspace.table(name, "behind") for name in self.pieces]
        parts = zip(found, self._first_parts(), strict=True)
        return pl.concat([rows.with_columns(pl.col("records") + first) for rows, first in parts])

    def blocks(self, districts: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        """The blocks of districts: district, part, block; those of one piece in memory at once."""
        for name, first in zip(self.pieces, self._first_parts(), strict=True):
            rows = self.workspace.table(name, "blocks").filter(pl.col("district_id").is_in(list(districts)))
            yield from rows.with_columns(pl.col("part") + first).iter_rows()

    def _first_parts(self) -> list[int]:
        """The number of the first part of each piece, so that no two pieces have one of the same number."""
        numbers = ((self.workspace.done(name) or {})["blocks"] for name in self.pieces)
        return list(accumulate(numbers, initial=0))[:-1]


def kept_records(extract: Extract, run: Run, *, workspace: Workspace, crew: Crew) -> RecordPieces:
    """The records of all parts as of a night: packed when they were measured; of a night done before it is done now."""
    parts = extract.parts_for(workspace, students_a_part=crew.students_a_part)
    tasks = [RecordTask(workspace=workspace, part=part, as_of=run.as_of, run=run.path) for part in parts]
    return RecordPieces(workspace, over_parts(crew.engine, keep_records, tasks, progress=SILENT))


Groups = Callable[[Callable[[str], pl.DataFrame], pl.DataFrame], pl.DataFrame]
"""What a night tells of groups of students, as sums: `cis_ews.evaluation.groups.told_groups`."""


def publish_night(
    flags: Database,
    run: Run,
    extract: Extract,
    *,
    records: RecordPieces,
    policy: TierPolicy,
    time_zone: tzinfo,
    groups: Groups | None = None,
) -> PublishReport:
    """Make a run current in its districts, with what pages say beside the scores. `time_zone`: by whose day."""
    schools = told_schools(extract.whole, run, policy=policy)
    return flags.publish(
        run,
        schools=schools,
        students=extract.students,
        records=records,
        rule=night_rule(time_zone),
        groups=None if groups is None else partial(groups, extract.table),
    )


def told_schools(school_data: SchoolData, run: Run, *, policy: TierPolicy) -> pl.DataFrame:
    """The schools of a run with what their pages say.

    `school_id`, `district_id`, `name`, `level`; `capacity`: how many students the coordinator can carry;
    `reported_through`: the last day whose absences the school has entered, null where it does not say; `school_days`:
    the instructional days of the school year as JSON, those still to come too.
    """
    as_of = run.as_of
    days = school_data.calendar_days.filter(
        pl.col("school_year") == school_year_at(school_data.calendar_days, as_of), "is_instructional"
    )
    # What json.dumps writes, of some hundred thousand days at once.
    as_json = pl.format('["{}"]', pl.col("date").sort().dt.to_string("%Y-%m-%d").str.join('", "'))
    calendars = dict(days.group_by("school_id").agg(as_json).iter_rows())
    students = dict(run.table("scores", columns=["school_id"]).group_by("school_id").len().iter_rows())
    reported = school_data.coverage.reported
    return school_data.schools.select("school_id", "district_id", "name", pl.col("level").cast(pl.String)).with_columns(
        pl.Series(name, values, dtype)
        for name, values, dtype in (
            ("capacity", [policy.places(one, students.get(one, 0)) for one in _ids(school_data)], pl.Int32),
            ("reported_through", [_through(reported.get(one), as_of) for one in _ids(school_data)], pl.Date),
            ("school_days", [calendars.get(one) for one in _ids(school_data)], pl.String),
        )
    )


def _ids(school_data: SchoolData) -> list[str]:
    return school_data.schools["school_id"].to_list()


def _through(reported: date | None, as_of: date) -> date | None:
    return None if reported is None else min(reported, as_of)
