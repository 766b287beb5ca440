"""The steps between an earlier night and tonight, worked out by workers: of those students who moved, and of no others.

gather_part      the records of a part's students who moved, and their indicators of tonight
work_out_steps   records of several parts -> indicators as of both days -> what the earlier night would have said
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
from cis_ews.night.passes import SCHOOLS, Assignment, night_model
from cis_ews.risk.changes import beside_the_same_others, with_tiers
from cis_ews.risk.cohort import build_cohort, cohort_of
from cis_ews.risk.features import SUMMED
from cis_ews.risk.night_model import Estimates, NightModel
from cis_ews.risk.rule_results import results_of
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import FLAGS, judge_students
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.schema.validation import OWNED

_KEY = "student_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherTask:
    """What a worker has to know to gather those of a part who moved.

    `moved`: the piece that says who. `decided`: what decided the earlier night, where all students of the part are to
    be judged by it, since something else decides tonight.
    """

    assignment: Assignment
    moved: str
    decided: Decided | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The piece of those of a part who moved, and how many students it holds."""

    piece: str
    students: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsTask:
    """What a worker has to know to work out the steps of students who were gathered.

    `assignment`: of any part. `pieces`: of `gather_part`. `moved`: the piece that says who moved, and what the earlier
    night says of schools and their lists.
    """

    assignment: Assignment
    pieces: tuple[str, ...]
    moved: str
    earlier: Earlier
    decided: Decided

    def tables(self, table: str) -> pl.DataFrame:
        """A table of those who were gathered."""
        return self.assignment.workspace.tables(self.pieces, table)


def gather_part(task: GatherTask) -> Gathered:
    """Keep the records of those of a part who moved."""
    workspace, part = task.assignment.workspace, task.assignment.part
    name = f"{task.moved}-{part.name}"
    notes = workspace.done(name)
    if notes is None:
        moved, school_data = workspace.table(task.moved, "moved"), part.load()
        measured = workspace.table(f"measured-{part.name}", "indicators")
        tables = {table: _of(school_data.table(table), moved) for table in OWNED}
        with workspace.piece(name) as piece:
            for table, rows in {**tables, "tonight": _of(measured, moved)}.items():
                piece.write(table, rows)
            if task.decided is not None:
                piece.write("everyone", _everyone(task.assignment, task.decided, measured))
            piece.notes["students"] = tables["students"].height
        notes = piece.notes
    return Gathered(piece=name, students=int(notes["students"]))


def _of(rows: pl.DataFrame, students: pl.DataFrame) -> pl.DataFrame:
    return rows.join(students, on=_KEY, how="semi", maintain_order="left")


def _everyone(assignment: Assignment, decided: Decided, indicators: pl.DataFrame) -> pl.DataFrame:
    """What the earlier night's rules and model say of tonight's indicators, among tonight's others."""
    model = _model_of(decided)
    estimates = model.estimate(indicators, sums=assignment.workspace.table(SCHOOLS, "sums"))
    return _judged(decided, indicators, estimates, as_of=assignment.as_of)


def work_out_steps(task: StepsTask) -> str:
    """Work out the steps of `OWN_RECORDS`; the name of the piece with `student_id`, `cause`, `risk` and `tier`."""
    workspace = task.assignment.workspace
    name = f"steps-{task.pieces[0]}"
    if workspace.done(name) is None:
        lists, scored = (workspace.table(task.moved, table) for table in ("lists", "scored"))
        steps = with_tiers(_steps(task), lists=lists, scored=scored, policy=task.decided.policy)
        with workspace.piece(name) as piece:
            piece.write("steps", steps)
    return name


def _steps(task: StepsTask) -> pl.DataFrame:
    """What the earlier night would have said of each student at each step."""
    earlier, as_of = task.earlier, task.assignment.as_of
    records = task.assignment.part.with_rows({table: task.tables(table) for table in OWNED})
    then = _scored(task, _as_reported_then(records, earlier), earlier.as_of)
    silent = _scored(task, _without_new_records(records, earlier), as_of)
    return pl.concat(
        [
            _step(task, Cause.CORRECTED_RECORDS, then, as_of=earlier.as_of),
            _step(task, Cause.DAYS_PASSING, silent, as_of=as_of),
            _step(task, Cause.NEW_RECORDS, task.tables("tonight"), as_of=as_of),
        ]
    )


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
    erased = task.assignment.erased.among(school_data.students[_KEY])
    return build_cohort(school_data, as_of, indicators=indicators, erased=erased).rows_of(indicators)


def _step(task: StepsTask, cause: Cause, indicators: pl.DataFrame, *, as_of: date) -> pl.DataFrame:
    """What the earlier night's rules and model say of these indicators, everybody else being as on that night."""
    workspace, run, model = task.assignment.workspace, task.earlier.run, _model_of(task.decided)
    moved = _of(workspace.table(task.moved, "moved"), task.tables("students"))
    before = run.rows_between("indicators", moved[_KEY][0], moved[_KEY][-1], columns=[_KEY, *SUMMED])
    seen, sums = beside_the_same_others(indicators, sums=workspace.table(task.moved, "sums"), before=before)
    judged = _judged(task.decided, indicators, model.estimate(seen, sums=sums), as_of=as_of)
    step = judged.with_columns(cause=pl.lit(cause.value, pl.Enum(Cause)))
    return step.join(moved.select(_KEY, "school_before"), on=_KEY, maintain_order="left")


def _judged(decided: Decided, indicators: pl.DataFrame, estimates: Estimates | None, *, as_of: date) -> pl.DataFrame:
    risk = None if estimates is None else estimates.risk
    results = results_of(_model_of(decided).rules.evaluated(indicators, as_of=as_of))
    return judge_students(cohort_of(indicators), indicators, results, policy=decided.policy, risk=risk)


def _model_of(decided: Decided) -> NightModel:
    """What decided the night, with those of its rules that a tier and the order of a list hang on."""
    night = night_model(decided.rules, decided.model_file)
    return replace(night, rules=RulesModel(rules=tuple(name for name in decided.rules if name in FLAGS)))
