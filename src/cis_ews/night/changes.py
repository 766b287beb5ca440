"""A night and an earlier one: who entered, left or moved, and why, by working the nights in between out anew.

Only students who moved are worked out once more: by part, from tonight's records, as of both days. What the steps mean:
`cis_ews.risk.changes`. Which run is compared with: `cis_ews.night.earlier`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

import polars as pl

from cis_ews.calendars import school_year_at
from cis_ews.enums import Cause
from cis_ews.indicators import compute_indicators
from cis_ews.night.earlier import Decided, Earlier, find_earlier
from cis_ews.night.extract import Crew
from cis_ews.night.passes import SCHOOLS, Assignment, night_model
from cis_ews.risk.changes import (
    DECIDING,
    OWN_RECORDS,
    beside_the_same_others,
    moved_students,
    told_changes,
    with_tiers,
)
from cis_ews.risk.cohort import build_cohort, cohort_of
from cis_ews.risk.features import SUMMED, school_sums
from cis_ews.risk.night_model import Estimates, NightModel
from cis_ews.risk.tiers import JUDGED, judge_students, place_students
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.schema.validation import OWNED
from cis_ews.storage.store import RunStore

_KEY = "student_id"
_SCORES = (_KEY, "school_id", "grade_level", "risk", "tier", "list_place", "days_enrolled")
_STEPS = {**JUDGED, "cause": pl.Enum(Cause), "school_before": pl.String()}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareTask:
    """What a worker has to know to say why students of a part moved.

    `piece`: who moved, and what the earlier night says of schools and their lists. `with_everyone`: whether all
    students of the part are to be judged as on the earlier night, since something else decides tonight.
    """

    assignment: Assignment
    earlier: Earlier
    decided: Decided
    piece: str
    with_everyone: bool

    @property
    def model(self) -> NightModel:
        """What decided the earlier night."""
        return night_model(self.decided.rules, self.decided.model_file)


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
        changes = _changes(scores, before, search.earlier, assignments, decided=decided, crew=crew)
        elsewhere = every.height - before.height
        said = search.to_dict() | ({"students_of_other_schools": elsewhere} if elsewhere else {})
    return Compared(changes=changes, said=said)


def _changes(
    scores: pl.DataFrame,
    before: pl.DataFrame,
    earlier: Earlier,
    assignments: Sequence[Assignment],
    *,
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
    pieces = crew.work(
        "work out again",
        compare_part,
        [
            CompareTask(
                assignment=assignment, earlier=earlier, decided=earlier.decided, piece=piece, with_everyone=differs
            )
            for assignment in assignments
        ],
    )
    steps, after_school = workspace.tables(pieces, "steps"), None
    if differs:
        everyone = workspace.tables(pieces, "everyone")
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


def compare_part(task: CompareTask) -> str:
    """Work out the steps of those of a part who moved; the name of the piece that holds them."""
    workspace, part = task.assignment.workspace, task.assignment.part
    name = f"steps-{task.piece}-{part.name}"
    if workspace.done(name) is None:
        steps = _steps(task, part.load())
        with workspace.piece(name) as piece:
            piece.write("steps", steps)
            if task.with_everyone:
                piece.write("everyone", _everyone(task))
    return name


def _steps(task: CompareTask, school_data: SchoolData) -> pl.DataFrame:
    """Each step of each student of the part who moved: `student_id`, `cause`, `risk`, `tier`."""
    workspace, earlier = task.assignment.workspace, task.earlier
    moved = workspace.table(task.piece, "moved").join(school_data.students, on=_KEY, how="semi", maintain_order="left")
    rows = [pl.DataFrame(schema=_STEPS)]
    if moved.height:
        some, as_of = _only(school_data, moved), task.assignment.as_of
        measured = workspace.table(f"measured-{task.assignment.part.name}", "indicators")
        tonight = measured.join(moved, on=_KEY, how="semi", maintain_order="left")
        rows += [
            _judged(task, moved, cause, indicators, as_of=day)
            for cause, indicators, day in zip(
                OWN_RECORDS,
                (
                    _scored(task, _as_recorded_then(some, earlier), earlier.as_of),
                    _scored(task, _without_new_records(some, earlier), as_of),
                    tonight,
                ),
                (earlier.as_of, as_of, as_of),
                strict=True,
            )
        ]
    lists, scored = (workspace.table(task.piece, table) for table in ("lists", "scored"))
    return with_tiers(pl.concat(rows), lists=lists, scored=scored, policy=task.decided.policy)


def _only(school_data: SchoolData, students: pl.DataFrame) -> SchoolData:
    """School data of these students alone."""
    ids = students.select(_KEY)
    own = {name: school_data.table(name).join(ids, on=_KEY, how="semi", maintain_order="left") for name in OWNED}
    return _with(school_data, own)


def _with(school_data: SchoolData, tables: dict[str, pl.DataFrame]) -> SchoolData:
    frames: dict[str, Any] = {name: TABLES[name].cast(rows) for name, rows in tables.items()}
    return replace(school_data, **frames)


def _as_recorded_then(school_data: SchoolData, earlier: Earlier) -> SchoolData:
    """Today's records, with the schools having reported through the days that they had reported through then."""
    return _with(school_data, {"reporting": earlier.reporting})


def _without_new_records(school_data: SchoolData, earlier: Earlier) -> SchoolData:
    """Today's records without those of days that the earlier night did not know of yet; exits of then are not known."""
    known = {
        name: school_data.table(name).filter((days <= earlier.as_of).fill_null(value=True))
        for name, days in school_data.known_on().items()
    }
    is_known_exit = pl.when(pl.col("exit_date") <= earlier.as_of)
    known["enrollments"] = known["enrollments"].with_columns(
        is_known_exit.then(name).alias(name) for name in ("exit_date", "exit_type")
    )
    through = known["attendance_events"].join(earlier.reporting, on="school_id", how="left", maintain_order="left")
    reported = (pl.col("date") <= pl.col("reported_through")).fill_null(value=True)
    known["attendance_events"] = through.filter(reported).drop("reported_through")
    return _with(school_data, known)


def _scored(task: CompareTask, school_data: SchoolData, as_of: date) -> pl.DataFrame:
    """The indicators of those who are scored on a day by these records."""
    indicators = compute_indicators(school_data, as_of)
    erased = task.assignment.erased.among(school_data.students[_KEY])
    return build_cohort(school_data, as_of, indicators=indicators, erased=erased).rows_of(indicators)


def _judged(
    task: CompareTask, moved: pl.DataFrame, cause: Cause, indicators: pl.DataFrame, *, as_of: date
) -> pl.DataFrame:
    """What the earlier night's rules and model say of these indicators, everybody else being as on that night."""
    workspace, ids = task.assignment.workspace, moved[_KEY]
    sums = workspace.table(task.piece, "sums")
    before = task.earlier.run.rows_between("indicators", ids[0], ids[-1], columns=[_KEY, *SUMMED])
    seen, others = beside_the_same_others(indicators, sums=sums, before=before)
    judged = _judge(task, indicators, task.model.estimate(seen, sums=others), as_of=as_of)
    steps = judged.with_columns(cause=pl.lit(cause.value, pl.Enum(Cause)))
    return steps.join(moved.select(_KEY, "school_before"), on=_KEY, maintain_order="left")


def _everyone(task: CompareTask) -> pl.DataFrame:
    """What the earlier night's rules and model say of tonight's indicators, among tonight's others."""
    workspace = task.assignment.workspace
    indicators = workspace.table(f"measured-{task.assignment.part.name}", "indicators")
    estimates = task.model.estimate(indicators, sums=workspace.table(SCHOOLS, "sums"))
    return _judge(task, indicators, estimates, as_of=task.assignment.as_of)


def _judge(task: CompareTask, indicators: pl.DataFrame, estimates: Estimates | None, *, as_of: date) -> pl.DataFrame:
    risk = None if estimates is None else estimates.risk
    results = task.model.rules.evaluate(indicators, as_of=as_of)
    return judge_students(cohort_of(indicators), indicators, results, policy=task.decided.policy, risk=risk)
