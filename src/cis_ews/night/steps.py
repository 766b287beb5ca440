"""The steps between an earlier night and tonight, worked out by workers: of those students who moved, and of no others.

work_out_steps   records of some parts -> indicators as of both days -> what the earlier night would have said
judge_everyone   what the earlier night's rules and model say of a part, where something else decides tonight
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from cis_ews.enums import Cause
from cis_ews.indicators import compute_indicators
from cis_ews.night.earlier import Decided, Earlier
from cis_ews.night.measuring import measured_piece
from cis_ews.night.passes import SCHOOLS, Assignment, night_model
from cis_ews.risk.alone_on_list import DECIDING
from cis_ews.risk.changes import beside_the_same_others, with_tiers
from cis_ews.risk.cohort import build_cohort, cohort_of
from cis_ews.risk.features import SUMMED
from cis_ews.risk.night_model import NightModel
from cis_ews.risk.rule_results import results_of
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import FLAGS, judge_students
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.schema.validation import OWNED
from cis_ews.storage.workspace import Workspace
from cis_ews.texts import places_of

_KEY = "student_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsTask:
    """What a worker has to know to work out the steps of those who moved.

    `assignments`: of parts with students who moved. `moved`: the piece that says who moved, and what the earlier night
    says of schools and their lists.
    """

    assignments: tuple[Assignment, ...]
    moved: str
    earlier: Earlier
    decided: Decided

    @property
    def workspace(self) -> Workspace:
        """Where the night works."""
        return self.assignments[0].workspace

    @property
    def as_of(self) -> date:
        """The as-of date of the night."""
        return self.assignments[0].as_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryoneTask:
    """What a worker has to know to judge a part by what decided the earlier night. `moved`: the piece of who moved."""

    assignment: Assignment
    moved: str
    decided: Decided


def judge_everyone(task: EveryoneTask) -> str:
    """Judge all students of a part; the name of the piece with what tells the tiers of those who moved.

    `moved`: their rows of `judge_students`. `lists`: of everyone of whom something asks for a tier `student_id`,
    `school_id` and DECIDING. `scored`: school_id -> how many are scored there.
    """
    workspace, part = task.assignment.workspace, task.assignment.part
    name = f"{task.moved}-everyone-{part.name}"
    if workspace.done(name) is None:
        indicators = workspace.table(measured_piece(part), "indicators")
        risk = _model_of(task.decided).risk(indicators, sums=workspace.table(SCHOOLS, "sums"))
        judged = _judged(task.decided, indicators, risk, as_of=task.assignment.as_of)
        moved = workspace.table(task.moved, "moved")
        with workspace.piece(name) as piece:
            piece.write("moved", _of(judged, moved[_KEY]))
            piece.write("lists", judged.filter(pl.col("asked").is_not_null()).select(_KEY, "school_id", *DECIDING))
            piece.write("scored", judged.group_by("school_id").agg(scored=pl.len()).sort("school_id"))
    return name


def work_out_steps(task: StepsTask) -> str:
    """Work out the steps of `OWN_RECORDS`; the name of the piece with `student_id`, `cause`, `risk` and `tier`."""
    name = f"{task.moved}-steps-{task.assignments[0].part.name}"
    if task.workspace.done(name) is None:
        lists, scored = (task.workspace.table(task.moved, table) for table in ("lists", "scored"))
        steps = with_tiers(_steps(task), lists=lists, scored=scored, policy=task.decided.policy)
        with task.workspace.piece(name) as piece:
            piece.write("steps", steps)
    return name


def _steps(task: StepsTask) -> pl.DataFrame:
    """What the earlier night would have said of each student at each step."""
    earlier, as_of = task.earlier, task.as_of
    moved = task.workspace.table(task.moved, "moved").select(_KEY, "school_before")
    records = _records(task, moved[_KEY])
    beside = _Beside.of(task, _of(moved, records.students[_KEY]))
    then = _scored(task, _as_reported_then(records, earlier), earlier.as_of)
    silent = _scored(task, _without_new_records(records, earlier), as_of)
    return pl.concat(
        [
            beside.step(Cause.CORRECTED_RECORDS, then, as_of=earlier.as_of),
            beside.step(Cause.DAYS_PASSING, silent, as_of=as_of),
            beside.step(Cause.NEW_RECORDS, _scored(task, records, as_of), as_of=as_of),
        ]
    )


def _records(task: StepsTask, moved: pl.Series) -> SchoolData:
    """The records of those who moved. Of a part one table at a time is in memory: nearly all of it is of others."""
    parts = [assignment.part for assignment in task.assignments]
    return parts[0].with_rows({table: pl.concat([_of(part.table(table), moved) for part in parts]) for table in OWNED})


def _of(rows: pl.DataFrame, students: pl.Series) -> pl.DataFrame:
    return rows.filter(places_of(rows[_KEY], students) >= 0)


def _with(school_data: SchoolData, tables: Mapping[str, pl.DataFrame]) -> SchoolData:
    frames: dict[str, Any] = {name: TABLES[name].cast(rows) for name, rows in tables.items()}
    return replace(school_data, **frames)


def _as_reported_then(school_data: SchoolData, earlier: Earlier) -> SchoolData:
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


def _scored(task: StepsTask, school_data: SchoolData, as_of: date) -> pl.DataFrame:
    """The indicators of those who are scored on a day by these records."""
    indicators = compute_indicators(school_data, as_of)
    erased = task.assignments[0].erased.among(school_data.students[_KEY])
    return build_cohort(school_data, as_of, indicators=indicators, erased=erased).rows_of(indicators)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """Students beside everybody else as on the earlier night.

    `moved`: `student_id` and `school_before`. `sums`: of the schools of that night, and `before`: the indicators in
    them of these students; None in a night by rules, which look at nobody else.
    """

    decided: Decided
    moved: pl.DataFrame
    sums: pl.DataFrame | None
    before: pl.DataFrame | None

    @classmethod
    def of(cls, task: StepsTask, moved: pl.DataFrame) -> _Beside:
        """Some of those who moved."""
        sums = before = None
        if task.decided.model_file is not None:
            sums, ids = task.workspace.table(task.moved, "sums"), moved[_KEY]
            before = task.earlier.run.rows_between("indicators", ids[0], ids[-1], columns=[_KEY, *SUMMED])
            before = _of(before, ids)
        return cls(decided=task.decided, moved=moved, sums=sums, before=before)

    def step(self, cause: Cause, indicators: pl.DataFrame, *, as_of: date) -> pl.DataFrame:
        """What the earlier night's rules and model say of these indicators."""
        risk = None
        if self.sums is not None and self.before is not None:
            seen, sums = beside_the_same_others(indicators, sums=self.sums, before=self.before)
            risk = _model_of(self.decided).risk(seen, sums=sums)
        judged = _judged(self.decided, indicators, risk, as_of=as_of)
        step = judged.with_columns(cause=pl.lit(cause.value, pl.Enum(Cause)))
        return step.join(self.moved, on=_KEY, maintain_order="left")


def _judged(decided: Decided, indicators: pl.DataFrame, risk: pl.DataFrame | None, *, as_of: date) -> pl.DataFrame:
    results = results_of(_model_of(decided).rules.evaluated(indicators, as_of=as_of))
    return judge_students(cohort_of(indicators), indicators, results, policy=decided.policy, risk=risk)


def _model_of(decided: Decided) -> NightModel:
    """What decided the night, with those of its rules that a tier and the order of a list hang on."""
    night = night_model(decided.rules, decided.model_file)
    return replace(night, rules=RulesModel(rules=tuple(name for name in decided.rules if name in FLAGS)))
