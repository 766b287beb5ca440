"""A night becomes what pages show: its scores, names, reasons and records, and what is said of schools beside them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from cis_ews.calendars import school_year_at
from cis_ews.night.extract import Extract
from cis_ews.night.people import PeopleOfParts
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.school_data import SchoolData
from cis_ews.storage.runs import Run
from cis_ews.support.reviews import night_rule

if TYPE_CHECKING:
    from cis_ews.storage.database import Database, PublishReport, Staged

Groups = Callable[[Callable[[str], pl.DataFrame], pl.DataFrame], pl.DataFrame]
"""What a night tells of groups of students, as sums: `cis_ews.evaluation.groups.told_groups`."""


def publish_night(
    flags: Database,
    extract: Extract,
    people: PeopleOfParts,
    *,
    policy: TierPolicy,
    time_zone: tzinfo,
    groups: Groups | None = None,
    staged: Future[Staged] | None = None,
) -> PublishReport:
    """Make the run of these people current in its districts, with what pages say beside the scores.

    `time_zone`: by whose day. `staged`: what `staging` makes of its scores.
    """
    return flags.publish(
        people.run,
        schools=told_schools(extract.whole, people.run, policy=policy),
        students=people,
        records=people.records,
        rule=night_rule(time_zone),
        groups=None if groups is None else partial(groups, extract.table),
        staged=None if staged is None else staged.result(),
    )


@contextmanager
def staging(
    flags: Database, scores: pl.DataFrame, *, run_id: str, as_of: date, whole: SchoolData, folder: Path
) -> Generator[Future[Staged]]:
    """The scores made ready for their publish, in a thread, beside what waits for workers meanwhile."""
    schools = whole.schools.select("school_id", "district_id")
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(flags.stage, scores, run_id=run_id, as_of=as_of, schools=schools, folder=folder)


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
