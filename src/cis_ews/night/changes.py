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
from cis_ews.night.nights_apart import as_it_stood, compare_scores
from cis_ews.night.passes import Assignment
from cis_ews.night.steps import EveryoneTask, StepsTask, judge_everyone, work_out_steps
from cis_ews.risk.changes import moved_students, tiers_beside, told_changes
from cis_ews.schema.school_data import SchoolData
from cis_ews.storage.store import RunStore
from cis_ews.texts import places_of

MOVED_A_TASK = 20_000
"""Students whose steps are worked out together: what is said of few costs almost what it costs of many."""
_KEY = "student_id"


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
            return Compared(changes=told_changes(moved_students(scores.clear(), scores.clear())), said=search.to_dict())
        earlier = search.earlier
        beside = compare_scores(earlier.run, scores, schools=schools)
        said = search.to_dict()
        said |= {"students_of_other_schools": beside.elsewhere} if beside.elsewhere else {}
        if earlier.decided is None or beside.moved.is_empty():
            return Compared(changes=told_changes(beside.moved), said=said)
        workspace = assignments[0].workspace
        # Named by the earlier run as it is now: a night that goes on after a kill may find another one.
        piece = f"moved-{earlier.run.manifest_sha256[:16]}"
        if workspace.done(piece) is None:
            stood = as_it_stood(earlier.run, earlier.decided, schools=schools)
            workspace.keep(piece, {"moved": beside.moved, "scored": beside.scored, **stood})
            del stood
        steps = _steps(
            beside.moved, piece, earlier=earlier, decided=earlier.decided, assignments=assignments, crew=crew
        )
        after_school = None
        if earlier.decided != decided:
            after_school = _after_school(piece, earlier.decided, assignments=assignments, crew=crew)
        return Compared(changes=told_changes(beside.moved, steps, after_school), said=said)


def _steps(
    moved: pl.DataFrame,
    piece: str,
    *,
    earlier: Earlier,
    decided: Decided,
    assignments: Sequence[Assignment],
    crew: Crew,
) -> pl.DataFrame | None:
    """The steps of everyone who moved; None where nobody of them is in the extract any more."""
    tasks = [
        StepsTask(assignments=some, moved=piece, earlier=earlier, decided=decided)
        for some in _together(assignments, moved[_KEY])
    ]
    names = crew.work("why", work_out_steps, tasks)
    return assignments[0].workspace.tables(names, "steps") if names else None


def _after_school(piece: str, decided: Decided, *, assignments: Sequence[Assignment], crew: Crew) -> pl.DataFrame:
    """What the earlier night's rules and model say tonight of those who moved, on lists that they make of everyone."""
    tasks = [EveryoneTask(assignment=assignment, moved=piece, decided=decided) for assignment in assignments]
    names = crew.work("as decided then", judge_everyone, tasks)
    moved, lists, scored = (assignments[0].workspace.tables(names, table) for table in ("moved", "lists", "scored"))
    sizes = scored.group_by("school_id").sum()
    return tiers_beside(moved, lists=lists, scored=sizes, policy=decided.policy)


def _together(assignments: Sequence[Assignment], moved: pl.Series) -> list[tuple[Assignment, ...]]:
    """The parts with students who moved, as many together as make a task."""
    tasks, students = list[list[Assignment]](), MOVED_A_TASK
    for assignment in assignments:
        here = int((places_of(assignment.part.table("students")[_KEY], moved) >= 0).sum())
        if here:
            if students + here > MOVED_A_TASK:
                tasks.append([])
                students = 0
            tasks[-1].append(assignment)
            students += here
    return [tuple(task) for task in tasks]
