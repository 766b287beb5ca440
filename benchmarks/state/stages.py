"""The stages of a night, each as the night does it, part by part by the local engine's workers; one after the other.

What a stage makes stays in a workspace for the next one. Each is called in a process of its own (`measuring.apart`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.state.measuring import Watch
from cis_ews import RiskModel, RulesModel, TierPolicy, build_features, score_night
from cis_ews.engines.local import LocalEngine, available_cores
from cis_ews.night.extract import Crew, Extract, large_extract, read_in_parts
from cis_ews.night.measuring import Measuring
from cis_ews.night.parts import Part
from cis_ews.night.passes import SCHOOLS, Assignment, compare_schools, measure_part, write_file
from cis_ews.night.people import PeopleOfParts
from cis_ews.night.publishing import publish_night, staging
from cis_ews.night.records import kept_records
from cis_ews.progress import Stopwatch
from cis_ews.readers import read_school_data
from cis_ews.risk.cohort import cohort_of
from cis_ews.risk.night_model import Estimates, tell
from cis_ews.risk.rule_results import results_of
from cis_ews.risk.tiers import judge_students, place_students
from cis_ews.storage.database import Database
from cis_ews.storage.frames import checked, checked_codes
from cis_ews.storage.runs import RunContents, open_run
from cis_ews.storage.store import RunStore
from cis_ews.storage.workspace import Workspace

AS_OF = date(2026, 6, 10)
COLUMNS = {
    "attendance_events": ["student_id", "school_id", "date", "status", "fraction_absent"],
    "incidents": ["student_id", "date", "severity"],
    "course_grades": ["student_id", "subject", "mark", "grade_points", "term"],
}
RUN_TABLES = ("reasons", "rules", "contributions")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a stage works on: the state, the folder of the stages' results, how, and the model's file."""

    source: Path
    folder: Path
    workers: int | None
    students_a_part: int
    model_file: Path | None = None

    @property
    def workspace(self) -> Workspace:
        """Where the stages leave what they make."""
        return Workspace(self.folder / "work" / "stages")

    @contextmanager
    def crew(self, *modules: str) -> Generator[Crew]:
        """The workers of a stage, started, with what they import."""
        with LocalEngine(self.workers) as engine:
            for _, future in engine.run(_ready, [modules] * engine.workers):
                future.result()
            yield Crew(engine, students_a_part=self.students_a_part, watch=Stopwatch())


def _ready(modules: Sequence[str]) -> None:
    for module in modules:
        import_module(module)
    time.sleep(1.0)  # so that every worker takes one


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the first stage tells the others: the extract, and the parts that it was read in."""

    extract: Extract
    lying: Sequence[Part]

    @property
    def parts(self) -> list[str]:
        """The names of the parts."""
        return [part.name for part in self.lying]

    @property
    def rows(self) -> Mapping[str, int]:
        """How many rows were read, by table."""
        return self.extract.whole.rows_read


@dataclass(frozen=True, kw_only=True)
class Task:
    """A part of a stage."""

    plan: Plan
    part: str

    def table(self, step: str, table: str) -> pl.DataFrame:
        """What a stage before has made of the part."""
        return self.plan.workspace.table(f"{step}-{self.part}", table)

    def keep(self, step: str, **tables: pl.DataFrame) -> None:
        """Leave tables for the stages after this one."""
        with self.plan.workspace.piece(f"{step}-{self.part}") as piece:
            for name, frame in tables.items():
                piece.write(name, frame)

    @property
    def model(self) -> RiskModel:
        """The model, loaded once a process."""
        assert self.plan.model_file is not None
        return _model(self.plan.model_file)


@lru_cache(maxsize=1)
def _model(path: Path) -> RiskModel:
    return RiskModel.load(path)


def floor(source: Path) -> int:
    """Decode the needed columns of the large tables and nothing else; how many rows they have."""
    counts = [
        pl.scan_parquet(source / table / "*.parquet").select(pl.col(columns).count(), rows=pl.len()).collect()
        for table, columns in COLUMNS.items()
    ]
    return sum(count["rows"].item() for count in counts)


def indicators(crew: Crew, plan: Plan) -> Known:
    """Read the state in parts, check it, compute every indicator of the cohort, add schools up."""
    workspace = Workspace.opened(plan.folder, "stages", plan={})
    erased = RunStore(plan.folder / "store").erased()
    extract = _extract(plan.source, Measuring(workspace=workspace, as_of=AS_OF, erased=erased), crew)
    assignments = [
        Assignment(
            workspace=workspace,
            part=part,
            as_of=AS_OF,
            policy=TierPolicy.load(),
            rules=RulesModel().rules,
            model_file=None,
            erased=erased,
        )
        for part in extract.parts_for(workspace, students_a_part=plan.students_a_part)
    ]
    compare_schools(workspace, crew.work("indicators", measure_part, assignments))
    return Known(extract=extract, lying=[assignment.part for assignment in assignments])


def _extract(source: Path, measuring: Measuring, crew: Crew) -> Extract:
    parted = large_extract(source, tolerance=None, as_of=AS_OF, crew=crew)
    if parted is None:
        return Extract(whole=read_school_data(source, as_of=AS_OF))
    return read_in_parts(parted, corrections=[], workspace=measuring.workspace, crew=crew, measuring=measuring)


def over(crew: Crew, work: Callable[[Task], int], plan: Plan, parts: Sequence[str]) -> int:
    """Do the work on every part; how many students they have."""
    return sum(crew.work(work.__name__, work, [Task(plan=plan, part=part) for part in parts]))


def features(task: Task) -> int:
    """The design matrix."""
    made = build_features(task.table("measured", "indicators"), sums=task.plan.workspace.table(SCHOOLS, "sums"))
    task.keep("features", features=made)
    return made.height


def contributions(task: Task) -> int:
    """Exact SHAP values, whose sum is the margin."""
    made = task.table("features", "features")
    told = task.model.contributions(made)
    task.keep("contributions", contributions=made.select("student_id").hstack(told))
    return told.height


def lightgbm_predict(task: Task) -> int:
    """The raw score alone, by LightGBM, of the same trees on the same rows."""
    from benchmarks.state.models import booster_of

    matrix = task.model.parts.encoding.matrix(task.table("features", "features"))
    booster_of(task.model).predict(matrix, raw_score=True, num_threads=1)
    return matrix.shape[0]


def rules(task: Task) -> int:
    """The published rules, which stand beside a model, and what their results say."""
    made = RulesModel().evaluated(task.table("measured", "indicators"), as_of=AS_OF)
    results_of(made)
    return made.students.height


def reasons(task: Task) -> int:
    """The rules again, the calibrated risk from the margin, and what both say in words; kept as a night keeps it."""
    found = task.table("measured", "indicators")
    evaluated = RulesModel().evaluated(found, as_of=AS_OF)
    results = results_of(evaluated)
    contributed = task.table("contributions", "contributions")
    risk = task.model.parts.calibrator.probability(contributed["margin"].to_numpy())
    estimates = Estimates(
        risk=contributed.select("student_id", risk=pl.Series(risk)),
        contributions=contributed,
        features=task.table("features", "features"),
    )
    judged = judge_students(cohort_of(found), found, results, policy=TierPolicy.load(), risk=estimates.risk)
    peers = task.plan.workspace.table(SCHOOLS, "peers")
    told = tell(estimates, found, judged, evaluated=evaluated, results=results, peers=peers)
    assert told.contributions is not None
    with task.plan.workspace.piece(f"judged-{task.part}") as piece:
        piece.write("judged", judged, compressed=False)
        for table, coded in {"rules": results, "reasons": told.reasons}.items():
            piece.keep(table, checked_codes(table, coded))
        piece.write("contributions", checked("contributions", told.contributions), compressed=False)
    return judged.height


def tiers_and_run(crew: Crew, plan: Plan, known: Known) -> tuple[int, Path]:
    """Tiers within the schools' capacities, and the run as Parquet; how many students, and where the run lies."""
    workspace, store, pieces = (
        plan.workspace,
        RunStore(plan.folder / "store"),
        [f"judged-{part}" for part in known.parts],
    )
    assert plan.model_file is not None
    version = RiskModel.load(plan.model_file).version
    scores = place_students(workspace.tables(pieces, "judged"), policy=TierPolicy.load(), model_version=version)
    contents = RunContents(
        as_of=AS_OF,
        model_version=version,
        config_hash="0" * 64,
        inputs=known.extract.whole.files,
        scores=scores,
        rejections=known.extract.whole.rejections,
        tables={
            **workspace.parts([f"measured-{part}" for part in known.parts], ("indicators",)),
            **workspace.parts(pieces, RUN_TABLES),
        },
    )
    run = store.write(contents, write_all=lambda files: crew.work("tables", write_file, files))
    return scores.height, run.path


def publish(crew: Crew, plan: Plan, known: Known, run: Path, url: str) -> None:
    """Make a run current in an empty database, as a night does; the scores made ready first, which a night does while
    it writes the run."""
    done, whole = open_run(run), known.extract.whole
    records = kept_records(known.lying, done, workspace=plan.workspace, crew=crew)
    people = PeopleOfParts(run=done, parts=known.lying, records=records, crew=crew)
    with Database(url) as flags:
        flags.upgrade()
        said: dict[str, Any] = {"run_id": done.run_id, "as_of": done.as_of, "whole": whole}
        with staging(flags, done.table("scores"), folder=plan.workspace.folder, **said) as staged:
            publish_night(flags, known.extract, people, policy=TierPolicy.load(), time_zone=UTC, staged=staged)


def night(plan: Plan) -> dict[str, Any]:
    """A whole night into an empty store and its SQLite; what it scored, and its steps."""
    assert plan.model_file is not None
    watch = Watch()
    with tempfile.TemporaryDirectory(dir=plan.folder) as folder, LocalEngine(plan.workers) as engine:
        done = score_night(
            plan.source,
            model=RiskModel.load(plan.model_file),
            policy=TierPolicy.load(),
            store=Path(folder) / "store",
            as_of=AS_OF,
            progress=watch,
            engine=engine,
            students_a_part=plan.students_a_part,
        )
        scored = done.scores.height
    return {"scored": scored, "steps": {name: asdict(cost) for name, cost in watch.steps.items()}}


def from_the_start(plan: Plan) -> int:
    """A night by the command line: start, imports, the model's file and its tables. How many students it scored."""
    with tempfile.TemporaryDirectory(dir=plan.folder) as folder:
        line = [sys.executable, "-m", "cis_ews", "score", str(plan.source), "--as-of", AS_OF.isoformat()]
        options = ["--out", folder, "--model", str(plan.model_file)]
        subprocess.run([*line, *options], check=True, capture_output=True)
        return pl.read_parquet(f"{folder}/runs/*/*/scores.parquet").height


def measured_indicators(plan: Plan, known: Known) -> pl.DataFrame:
    """Every indicator of the students who are scored."""
    return plan.workspace.tables([f"measured-{part}" for part in known.parts], "indicators")


def threads(plan: Plan) -> int:
    """The cores that the night has; other tools get as many threads."""
    return plan.workers or available_cores()


def matrix(crew: Crew, plan: Plan, out: Path) -> int:
    """The encoded features of every student who is scored, as Parquet, for another tool; how many students."""
    assert plan.model_file is not None
    known = indicators(crew, plan)
    over(crew, features, plan, known.parts)
    made = plan.workspace.tables([f"features-{part}" for part in known.parts], "features")
    encoded = RiskModel.load(plan.model_file).parts.encoding.matrix(made)
    columns = {f"Column_{place}": encoded[:, place] for place in range(encoded.shape[1])}
    pl.DataFrame({"student_id": made["student_id"], **columns}).write_parquet(out)
    return made.height
