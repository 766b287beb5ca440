"""A night and an earlier one: who entered, left or moved, and why, by working the nights in between out anew.

What the steps mean: `cis_ews.risk.changes`. How they are worked out: `cis_ews.night.steps`. Which run is compared with:
`cis_ews.night.earlier`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

import polars as pl

from cis_ews.calendars import school_year_at
from cis_ews.night.earlier import Decided, Earlier, find_earlier
from cis_ews.night.extract import Crew
from cis_ews.night.passes import Assignment
from cis_ews.night.steps import Gathered, GatherTask, StepsTask, gather_part, work_out_steps
from cis_ews.risk.changes import DECIDING, moved_students, told_changes
from cis_ews.risk.cohort import cohort_of
from cis_ews.risk.features import SUMMED, school_sums
from cis_ews.risk.tiers import judge_students, place_students
from cis_ews.schema.school_data import SchoolData
from cis_ews.storage.store import RunStore

STUDENTS_A_TASK = 20_000
_KEY = "student_id"
_SCORES = (_KEY, "school_id", "grade_level", "risk", "tier", "list_place", "days_enrolled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A night beside an earlier one: the table of changes, and what the manifest says of the comparison."""

    changes: pl.DataFrame
    said: dict[str, object]


def compare_nights(
    scores: pl.DataFrame,
    whole: SchoolData,
    assignments: Sequence[Assignment],
    *,
    decided: Decided,
    store: RunStore,
    crew: Crew,
) -> Compared:
    """Compare a night with the newest earlier one of its school year. `decided`: what decides tonight."""
    as_of, schools = assignments[0].as_of, whole.schools["school_id"]
    year = pl.col("school_year") == school_year_at(whole.calendar_days, as_of)
    since = whole.calendar_days.filter(year)["date"].min()
    with crew.watch.step("changes"):
        search = find_earlier(store, as_of=as_of, since=cast("date", since), schools=set(schools))
        if search.earlier is None:
            return Compared(changes=told_changes(moved_students(scores, scores)), said=search.to_dict())
        every = search.earlier.run.table("scores", columns=_SCORES)
        before = every.filter(pl.col("school_id").is_in(schools.implode()))
        changes = _changes(scores, before, search.earlier, assignments=assignments, decided=decided, crew=crew)
        elsewhere = every.height - before.height
        said = search.to_dict() | ({"students_of_other_schools": elsewhere} if elsewhere else {})
    return Compared(changes=changes, said=said)


def _changes(
    scores: pl.DataFrame,
    before: pl.DataFrame,
    earlier: Earlier,
    *,
    assignments: Sequence[Assignment],
    decided: Decided,
    crew: Crew,
) -> pl.DataFrame:
    moved = moved_students(before, scores)
    if earlier.decided is None or moved.is_empty():
        return told_changes(moved)
    workspace = assignments[0].workspace
    # Named by the earlier run as it is now: a night that goes on after a kill may find another one.
    piece = f"moved-{earlier.run.manifest_sha256[:16]}"
    workspace.keep(piece, {"moved": moved, **_as_it_stood(earlier, earlier.decided, before)})
    differs = earlier.decided != decided
    gathered = crew.work(
        "who moved",
        gather_part,
        [
            GatherTask(assignment=assignment, moved=piece, decided=earlier.decided if differs else None)
            for assignment in assignments
        ],
    )
    tasks = [
        StepsTask(assignment=assignments[0], pieces=pieces, moved=piece, earlier=earlier, decided=earlier.decided)
        for pieces in _together(gathered)
    ]
    steps = workspace.tables(crew.work("why", work_out_steps, tasks), "steps") if tasks else None
    after_school = None
    if differs:
        everyone = workspace.tables([part.piece for part in gathered], "everyone")
        after_school = place_students(
            everyone, policy=earlier.decided.policy, model_version=earlier.decided.model_version
        )
    return told_changes(moved, steps, after_school)


def _as_it_stood(earlier: Earlier, decided: Decided, before: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """What the earlier night says of schools: their sums, their lists, and how many students each had.

    Its lists are made anew of what it kept: the rules that held, the absence rate and the risk that were told.
    """
    listed = before.filter(pl.col("list_place").is_not_null())
    rates = earlier.run.table("indicators", columns=[_KEY, "absence_rate_ytd"])
    results = earlier.run.rows_among("rules", listed.select(_KEY))
    students = cohort_of(listed.rename({"days_enrolled": "days_enrolled_ytd"}))
    judged = judge_students(students, rates, results, policy=decided.policy, risk=listed.select(_KEY, "risk"))
    return {
        "sums": school_sums(earlier.run.table("indicators", columns=SUMMED)),
        "lists": judged.select(_KEY, "school_id", *DECIDING),
        "scored": before.group_by("school_id").agg(scored=pl.len().cast(pl.UInt32)).sort("school_id"),
    }


def _together(parts: Sequence[Gathered]) -> list[tuple[str, ...]]:
    """The pieces of parts, as many together as make a task: what is said of few costs almost what it costs of many."""
    tasks, students = list[list[str]](), STUDENTS_A_TASK
    for part in parts:
        if part.students:
            if students + part.students > STUDENTS_A_TASK:
                tasks.append([])
                students = 0
            tasks[-1].append(part.piece)
            students += part.students
    return [tuple(pieces) for pieces in tasks]
