"""One night, as the story that it is: read this first.

    extract -> school data -> corrections -> parts -> indicators, cohort -> schools -> rules, risk, reasons -> tiers
    -> changes since the night before -> run -> flags

The command line and the service only translate in and out of `score_night`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, tzinfo
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cis_ews.corrections import kept_corrections
from cis_ews.errors import ConfigError, DataError
from cis_ews.night.changes import compare_nights
from cis_ews.night.coverage import coverage_statement
from cis_ews.night.earlier import Decided
from cis_ews.night.engine import Engine, InProcess
from cis_ews.night.extract import Crew, Extract, large_extract, read_in_parts, read_whole
from cis_ews.night.kept_state import STATE_FORMAT, How, load_state, read_kept
from cis_ews.night.measuring import Measuring
from cis_ews.night.parts import STUDENTS_A_PART
from cis_ews.night.passes import Assignment, compare_schools, judge_part, measure_part, write_file
from cis_ews.night.people import PeopleOfParts
from cis_ews.night.publishing import Groups, publish_night, staging
from cis_ews.night.reach import check_reach
from cis_ews.night.records import kept_records
from cis_ews.progress import SILENT, Progress, Stopwatch
from cis_ews.readers.unchanged import unchanged
from cis_ews.risk.cohort import CohortStep, whole_flow
from cis_ews.risk.night_model import NightModel
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy, place_students
from cis_ews.schema.school_data import SourceFile
from cis_ews.storage.corrected import corrected_in_force
from cis_ews.storage.recipes import Recipe, keep_model, keep_recipe
from cis_ews.storage.runs import Run, RunContents, record_timings, run_id_for, verify_run
from cis_ews.storage.store import RunStore
from cis_ews.storage.workspace import Workspace, clear_work

if TYPE_CHECKING:
    from concurrent.futures import Future

    import polars as pl

    from cis_ews.night.loaded import LoadReport
    from cis_ews.risk.model import RiskModel
    from cis_ews.storage.database import Database, PublishReport, Staged


@dataclass(frozen=True)
class ScoreRun:
    """What a night has made, read from its run.

    `is_new`: False where the same night had been done before and its run was found whole. `published`: what became of
    it in the database. `timings`: step -> wall and CPU seconds and peak memory of this call. `loaded`: what became of
    the source, where a state is kept.
    """

    run: Run
    is_new: bool
    published: PublishReport
    timings: Mapping[str, Mapping[str, float]]
    loaded: LoadReport | None = None

    @cached_property
    def scores(self) -> pl.DataFrame:
        """One row a student: the tier and the rule that decided it, or that there was not enough data."""
        return self.run.table("scores")

    @cached_property
    def reasons(self) -> pl.DataFrame:
        """Ranked reasons and strengths in plain words."""
        return self.run.table("reasons")

    @cached_property
    def changes(self) -> pl.DataFrame:
        """One row a student who entered, left or moved since the run that was compared with, and why."""
        return self.run.table("changes")

    @cached_property
    def model(self) -> dict[str, Any]:
        """What decided: the rules alone, or a trained model with what it learned from."""
        return self.run.statement("model")

    @cached_property
    def rejections(self) -> pl.DataFrame:
        """One row a source row and broken rule."""
        return self.run.table("rejections")

    @cached_property
    def cohort_flow(self) -> list[dict[str, Any]]:
        """The counted steps from the rows of the students table to the students scored."""
        return self.run.statement("cohort_flow")

    @cached_property
    def coverage(self) -> dict[str, Any]:
        """What the source could speak of, and `rows_after_as_of` by table."""
        return self.run.statement("coverage")


def score_night(  # noqa: PLR0913 - each is a thing that a night needs, and all but the first are named
    source: str | Path,
    *,
    model: RulesModel | RiskModel,
    policy: TierPolicy,
    store: str | Path | RunStore,
    as_of: date,
    format: str = "folder",  # noqa: A002 - the public word for it
    tolerance: float | None = None,
    database: str | Database | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
    students_a_part: int = STUDENTS_A_PART,
    state: How | None = None,
    groups: Groups | None = None,
    time_zone: tzinfo = UTC,
) -> ScoreRun:
    """Score every enrolled student as of a date, keep the run in the store, and make it current in the database.

    `model`: the published rules, or a trained model, beside which the rules stay in force as a safety net.
    `format`: a reader's name, or the path of a mapping TOML. `tolerance`: the share of a table's rows that may be
    rejected; the reader's own if None. `database`: the store's own if None; a new one gets its tables. `engine`: who
    works on the parts of the extract, this process if None; `students_a_part`: how large they are. Neither changes a
    byte of the run. A night that was killed goes on, when it is called again, with the parts that were not done.
    `state`: "keep" keeps the extract, the whole year, as the state of the store; "add" brings what is new, corrected or
    withdrawn into that state and scores it (docs/kept_state.md). `groups`: what the pages of the network are told of
    groups of students, as sums (`cis_ews.evaluation.groups.told_groups`); nothing if None. `time_zone`: that of the
    people who use the pages; by their day a flag comes back that was put aside until a date.

    Raises:
        ConfigError: a part would have no student; a state of another format than folder.
        ModelError: the model does not fit the features that this version makes.
        DataError: the extract cannot be used, or does not reach the as-of date.
        StorageError: the store or the database fails, or parts of the night do; StoreLockedError while another night
            writes to the same store.
    """
    if state is not None and format != "folder":
        raise ConfigError(
            f"a state is kept of the plain format alone, not of {Path(format).name}", hint="see docs/formats.md"
        )
    if type(students_a_part) is not int or students_a_part < 1:
        raise ConfigError(f"students_a_part is {students_a_part}", hint="give a whole number of students, 1 or more")
    watch = Stopwatch(progress or SILENT)
    runs = store if isinstance(store, RunStore) else RunStore(store)
    crew = Crew(engine or InProcess(), students_a_part=students_a_part, watch=watch)
    judge = NightModel.of(model)
    layout = STATE_FORMAT if state else format
    configuration = config_hash(policy, format=layout, tolerance=tolerance, rules=judge.rules_beside)
    night = Night(as_of=as_of, model=judge, policy=policy, config_hash=configuration)
    with runs.lock(), _current_flags(database, runs) as flags:
        flags.check_erasures(runs.erased())
        with _refused_leaves_nothing(runs):
            if state is None:
                extract = _read(Path(source), night, format=format, tolerance=tolerance, runs=runs, crew=crew)
            else:
                extract = _read_state(Path(source), night, how=state, tolerance=tolerance, runs=runs, crew=crew)
            done_before = runs.find(night.run_id(extract.whole.files))
            workspace = extract.workspace or night.workspace(runs, extract.whole.files, crew)
            if done_before is None:
                run, staged = _score(extract, night, workspace, runs=runs, flags=flags, crew=crew)
            else:
                run, staged = verify_run(done_before), None
        night.keep_recipe(runs, run, source=Path(source), format=format, tolerance=tolerance, state=state)
        parts = extract.parts_for(workspace, students_a_part=students_a_part)
        records = kept_records(parts, run, workspace=workspace, crew=crew)
        people = PeopleOfParts(run=run, parts=parts, records=records, crew=crew)
        with watch.step("publish"):
            published = publish_night(
                flags, extract, people, policy=policy, time_zone=time_zone, groups=groups, staged=staged
            )
        clear_work(runs.root)
        timings = stage_times(watch)
        if done_before is None:
            record_timings(run, timings)
    return ScoreRun(run=run, is_new=done_before is None, published=published, timings=timings, loaded=extract.loaded)


def _read(
    source: Path,
    night: Night,
    *,
    format: str,  # noqa: A002 - see score_night
    tolerance: float | None,
    runs: RunStore,
    crew: Crew,
) -> Extract:
    """The extract, checked and with the corrections of the store; in parts where it is large."""
    extract = None
    if format == "folder":
        with unchanged(source):
            parted = large_extract(source, tolerance=tolerance, as_of=night.as_of, crew=crew)
            if parted is not None:
                corrections = kept_corrections(runs)
                files = [*parted.whole.source.files, *(file for each in corrections for file in each.files)]
                workspace = night.workspace(runs, files, crew)
                is_done = runs.find(night.run_id(files)) is not None
                measuring = Measuring(workspace=workspace, as_of=night.as_of, erased=runs.erased())
                extract = read_in_parts(
                    parted,
                    corrections=corrections,
                    workspace=workspace,
                    crew=crew,
                    measuring=None if is_done else measuring,
                )
    if extract is None:
        day = night.as_of
        extract = read_whole(source, format=format, tolerance=tolerance, as_of=day, runs=runs, watch=crew.watch)
    check_reach(extract.whole, night.as_of)
    return extract


def _read_state(
    source: Path, night: Night, *, how: How, tolerance: float | None, runs: RunStore, crew: Crew
) -> Extract:
    """The kept state with what the source brings, checked and with the corrections of the store."""
    draft = load_state(source, how=how, runs=runs, crew=crew)
    corrections = kept_corrections(runs)
    files = [*draft.files, *(file for each in corrections for file in each.files)]
    workspace = night.workspace(runs, files, crew, pieces=draft.state.pieces)
    extract = read_kept(
        draft,
        as_of=night.as_of,
        tolerance=tolerance,
        corrections=corrections,
        workspace=workspace,
        crew=crew,
    )
    check_reach(extract.whole, night.as_of)
    return extract


@contextmanager
def _refused_leaves_nothing(runs: RunStore) -> Generator[None]:
    """Where school data are refused, they would be again: no records of theirs are kept for another attempt."""
    try:
        yield
    except DataError:
        clear_work(runs.root)
        raise


def _score(
    extract: Extract, night: Night, workspace: Workspace, *, runs: RunStore, flags: Database, crew: Crew
) -> tuple[Run, Future[Staged]]:
    """The run that is written, and its scores as they are made ready for the database meanwhile."""
    whole, watch = extract.whole, crew.watch
    with watch.step("part"):
        assignments = _assignments(extract, night, workspace, runs=runs, crew=crew)
    measured = crew.work("indicators", measure_part, assignments)
    with watch.step("schools"):
        rows_read = whole.rows_read.get("students", 0)
        flow = whole_flow([part.flow for part in measured], rows_read=rows_read, rejections=whole.rejections)
        _refuse_nobody(flow, night.as_of)
        compare_schools(workspace, measured)
    judged = crew.work("rules, risk and reasons", judge_part, assignments)
    pieces = [part.piece for part in judged]
    crew.engine.rest()  # what is left to do needs none of the memory that workers keep for the next part
    with watch.step("tiers"):
        everyone = workspace.tables(pieces, "judged")
        scores = place_students(everyone, policy=night.policy, model_version=night.model.version)
        del everyone  # some hundred MB of a state
    compared = compare_nights(scores, whole, assignments, decided=night.decided, store=runs, crew=crew)
    crew.engine.rest()
    # To start workers for the tables of a single part takes longer than to write them.
    writers = crew if len(assignments) > 1 else replace(crew, engine=InProcess())
    run_id = night.run_id(whole.files)
    ready = staging(flags, scores, run_id=run_id, as_of=night.as_of, whole=whole, folder=workspace.folder)
    with watch.step("write"), ready as staged:
        contents = RunContents(
            as_of=night.as_of,
            model_version=night.model.version,
            config_hash=night.config_hash,
            inputs=whole.files,
            scores=scores,
            rejections=whole.rejections,
            tables={
                "changes": compared.changes,
                **workspace.parts([part.piece for part in measured], ("indicators",)),
                **workspace.parts(pieces, night.tables_by_part),
            },
            compared_with=compared.said,
            model=night.model.statement,
            seed=night.model.seed,
            cohort_flow=[step.to_dict() for step in flow],
            coverage=coverage_statement(whole, night.as_of, policy=night.policy, parts=measured),
        )
        # Without `write` and `publish`, which are added at the end; so a night that fails to publish has its times too.
        run = runs.write(
            contents, timings=stage_times(watch), write_all=lambda files: writers.work("tables", write_file, files)
        )
    return run, staged


def _assignments(
    extract: Extract, night: Night, workspace: Workspace, *, runs: RunStore, crew: Crew
) -> list[Assignment]:
    model_file = None
    if night.model.trained is not None:
        model_file = workspace.folder / "model.json"
        night.model.trained.hand_over(model_file)
    erased = runs.erased()
    return [
        Assignment(
            workspace=workspace,
            part=part,
            as_of=night.as_of,
            policy=night.policy,
            rules=night.model.rules.rules,
            model_file=model_file,
            erased=erased,
        )
        for part in extract.parts_for(workspace, students_a_part=crew.students_a_part)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What decides a night besides its school data."""

    as_of: date
    model: NightModel
    policy: TierPolicy
    config_hash: str

    @property
    def decided(self) -> Decided:
        """What decides, for a night to come that is compared with this one."""
        return Decided(policy=self.policy, rules=self.model.rules.rules, model_version=self.model.version)

    @property
    def tables_by_part(self) -> tuple[str, ...]:
        """The tables of the run that parts make when they are judged, one after the other."""
        by_model = () if self.model.trained is None else ("contributions",)
        return ("reasons", "rules", *by_model)

    def run_id(self, inputs: Sequence[SourceFile]) -> str:
        """The id of the run that the night makes of these files."""
        return run_id_for(
            inputs=inputs, config_hash=self.config_hash, model_version=self.model.version, as_of=self.as_of
        )

    def keep_recipe(
        self,
        runs: RunStore,
        run: Run,
        *,
        source: Path,
        format: str,  # noqa: A002 - see score_night
        tolerance: float | None,
        state: How | None,
    ) -> None:
        """Keep beside a run what it takes to make it again (`cis_ews.replaying`)."""
        mapping, trained = Path(format), self.model.trained
        if trained is not None:
            keep_model(runs, trained.version, trained.hand_over)
        recipe = Recipe(
            source=str(source.absolute()),
            format=mapping.name if mapping.is_file() else format,
            mapping=mapping.read_text(encoding="utf-8") if mapping.is_file() else None,
            state=state,
            tolerance=tolerance,
            policy=self.policy.model_dump_json(),
            rules=self.model.rules.rules,
            model_version=None if trained is None else trained.version,
            left_out=runs.erased().hash,
            corrections=corrected_in_force(runs),
        )
        keep_recipe(runs, run.run_id, recipe)

    def workspace(
        self, runs: RunStore, inputs: Sequence[SourceFile], crew: Crew, *, pieces: Sequence[str] = ()
    ) -> Workspace:
        """Where the night works, with what an earlier attempt at it has finished. `pieces`: of the kept state."""
        plan = {"students_a_part": crew.students_a_part, "left_out": sorted(runs.erased().digests)}
        plan |= {"state": list(pieces)} if pieces else {}
        return runs.workspace(self.run_id(inputs), plan=plan)


def stage_times(watch: Stopwatch) -> dict[str, dict[str, float]]:
    """Step -> wall and CPU seconds and peak memory of every step that has ended."""
    return {name: asdict(cost) for name, cost in watch.times.items()}


def config_hash(
    policy: TierPolicy,
    *,
    format: str,  # noqa: A002 - see score_night
    tolerance: float | None,
    rules: str | None = None,
) -> str:
    """SHA-256 of everything configured that can change a result: the policy, how the source is read, the tolerance, and
    the version of the rules that stand beside a trained model."""
    mapping = Path(format)
    layout = hashlib.sha256(mapping.read_bytes()).hexdigest() if mapping.is_file() else format
    stated = {"policy": policy.hash, "format": layout, "tolerance": tolerance} | ({"rules": rules} if rules else {})
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()


def _refuse_nobody(flow: Sequence[CohortStep], as_of: date) -> None:
    """Raise DataError where no student is left to score: an empty list would pass for a good night."""
    if flow[-1].after:
        return
    by_step = {step.name: step.excluded for step in flow if step.excluded}
    raise DataError(
        f"No student is left to score as of {as_of}; left out by the steps of the cohort flow "
        f"({'; '.join(by_step) or 'none'})",
        hint="check the as-of date and the enrollments of the extract; nothing was kept or published",
        by_step=by_step,
    )


@contextmanager
def _current_flags(database: str | Database | None, runs: RunStore) -> Generator[Database]:
    """The database that holds current flags; opened before the work begins, so that a night does not end in vain."""
    from cis_ews.storage.database import Database

    if isinstance(database, Database):
        yield database
        return
    with Database(database or runs.database_url) as opened:
        if opened.revision is None:
            opened.upgrade()
        opened.districts()  # raises where the tables are of another version
        yield opened
