"""What is done with one part of an extract, twice: its indicators, then, beside all schools, its risk and reasons.

    measure_part   school data -> indicators, the cohort, what the part adds to the sums and medians of schools
    judge_part     indicators, and the sums and medians of all parts -> rules, risk, reasons, what the tiers need

Both write their tables into the workspace as a piece that is whole or not there, and find a piece that is there: the
parts of a large folder are measured when they are checked (`extract`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import polars as pl

from cis_ews.night.measuring import Measuring, measured_piece, pack_records, records_piece
from cis_ews.night.parts import Part
from cis_ews.progress import StageTime, Stopwatch
from cis_ews.risk.cohort import cohort_of
from cis_ews.risk.explanations import peer_values_of
from cis_ews.risk.features import add_school_sums
from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import NightModel, tell
from cis_ews.risk.rule_results import results_of
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy, judge_students
from cis_ews.storage.erased import ErasedStudents
from cis_ews.storage.files import disk_errors
from cis_ews.storage.frames import TableParts, checked, checked_codes, write_table
from cis_ews.storage.runs import open_run
from cis_ews.storage.workspace import Workspace

SCHOOLS = "schools"
"""The piece that holds what all parts together say of each school."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a worker has to know to work on a part; large things by their paths.

    `rules`: the names of the rules. `model_file`: the trained model, if there is one. `erased`: who is left out.
    """

    workspace: Workspace
    part: Part
    as_of: date
    policy: TierPolicy
    rules: tuple[str, ...]
    model_file: Path | None
    erased: ErasedStudents

    @property
    def measuring(self) -> Measuring:
        """What it takes to measure the part."""
        return Measuring(workspace=self.workspace, as_of=self.as_of, erased=self.erased)

    @property
    def model(self) -> NightModel:
        """What decides, loaded once a process."""
        return night_model(self.rules, self.model_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTask:
    """What a worker has to know to keep the records of a part of a run for those who look behind reasons."""

    workspace: Workspace
    part: Part
    as_of: date
    run: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known of a part after the first pass, besides its tables.

    `flow`: (name, before, after) of each step of the cohort. `rows_after`: rows dated after the as-of date, by table.
    `schools`: those with a student enrolled on the day. `costs`: step -> seconds and memory in this process.
    """

    piece: str
    flow: Sequence[tuple[str, int, int]]
    rows_after: Mapping[str, int]
    schools: Sequence[str]
    costs: Mapping[str, StageTime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is known of a part after the second pass, besides its tables."""

    piece: str
    costs: Mapping[str, StageTime]


def measure_part(assignment: Assignment) -> Measured:
    """The indicators of the students of a part who are scored; found, where they were measured when it was checked."""
    part, measuring, watch = assignment.part, assignment.measuring, Stopwatch()
    notes = measuring.found(part)
    if notes is None:
        with watch.step("load"):
            school_data = part.load()
        notes = measuring.measure(part, school_data, watch)
    return Measured(
        piece=measured_piece(part),
        flow=[(str(step), int(before), int(after)) for step, before, after in notes["flow"]],
        rows_after=notes["rows_after"],
        schools=notes["schools"],
        costs=watch.times,
    )


def keep_records(task: RecordTask) -> str:
    """Keep the records of a part; the name of the piece, which is found where the part was measured tonight."""
    name = records_piece(task.part)
    if (task.workspace.done(name) or {}).get("of") != task.part.piece:
        school_data, columns = task.part.load(), ["student_id", "school_id"]
        ids = school_data.students["student_id"].sort()
        # A part may have lost its last student to a deletion since its bounds were set.
        first, last = (ids[0], ids[-1]) if len(ids) else ("", "")
        scored = open_run(task.run).rows_between("scores", first, last, columns=columns)
        with task.workspace.piece(name) as piece:
            pack_records(piece, school_data, scored, as_of=task.as_of)
            piece.notes["of"] = task.part.piece
    return name


def compare_schools(workspace: Workspace, parts: Sequence[Measured]) -> None:
    """Add up what the parts say of schools: sums for features, medians for reasons."""
    pieces = [part.piece for part in parts]
    if workspace.done(SCHOOLS) is None:
        sums = add_school_sums(workspace.table(piece, "sums") for piece in pieces)
        peers = peer_values_of(workspace.tables(pieces, "peers"))
        with workspace.piece(SCHOOLS) as piece:
            piece.write("sums", sums)
            piece.write("peers", peers)


def judge_part(assignment: Assignment) -> Judged:
    """Rules, risk and reasons of a part, and one row a student from which the schools' lists are made."""
    name = judged_piece(assignment.part)
    if assignment.workspace.done(name) is not None:
        return Judged(piece=name, costs={})
    watch, model = Stopwatch(), assignment.model
    with watch.step("load"):
        indicators = assignment.workspace.table(measured_piece(assignment.part), "indicators")
        sums, peers = _schools(assignment.workspace, assignment.workspace.stamp(SCHOOLS))
    with watch.step("rules"):
        evaluated = model.rules.evaluated(indicators, as_of=assignment.as_of)
        results = results_of(evaluated)
    with watch.step("risk"):
        estimates = model.estimate(indicators, sums=sums)
    with watch.step("judge"):
        risk = None if estimates is None else estimates.risk
        students = cohort_of(indicators)
        judged = judge_students(students, indicators, results, policy=assignment.policy, risk=risk)
    with watch.step("reasons"):
        told = tell(estimates, indicators, judged, evaluated=evaluated, results=results, peers=peers)
    with watch.step("keep"), assignment.workspace.piece(name) as piece:
        piece.write("judged", judged, compressed=False)
        for table, coded in {"rules": results, "reasons": told.reasons}.items():
            piece.keep(table, checked_codes(table, coded))
        if told.contributions is not None:
            piece.write("contributions", checked("contributions", told.contributions), compressed=False)
    return Judged(piece=name, costs=watch.times)


def judged_piece(part: Part) -> str:
    """Where what was judged of a part lies, its reasons among it."""
    return f"judged-{part.name}"


def write_file(file: tuple[pl.DataFrame | TableParts, Path]) -> None:
    """Write a table of the run, put together from its parts."""
    with disk_errors(file[1], "write"):
        write_table(*file)


@lru_cache(maxsize=1)
def _schools(workspace: Workspace, stamp: tuple[int, int]) -> tuple[pl.DataFrame, pl.DataFrame]:  # noqa: ARG001
    """What all parts say of schools, loaded once a process; `stamp`: of that piece, and not of an earlier night's."""
    return workspace.table(SCHOOLS, "sums"), workspace.table(SCHOOLS, "peers")


@lru_cache(maxsize=2)
def night_model(rules: tuple[str, ...], model_file: Path | None) -> NightModel:
    """What decides a night, loaded once a process."""
    return NightModel(rules=RulesModel(rules=rules), trained=None if model_file is None else RiskModel.load(model_file))
