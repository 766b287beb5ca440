"""Verbs about a night: score, and look at what it found."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cis_ews.cli.options import AsOf, Format, Json, Model, Policy, RunFolder, Source, StudentId
from cis_ews.cli.session import Session, begin, open_named_run
from cis_ews.cli.show import show_flags, show_loaded, show_night, show_student
from cis_ews.errors import ConfigError, RunNotFoundError, StorageError
from cis_ews.interrupts import Left, leaving
from cis_ews.logs import get_log
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.engines.local import LocalEngine
    from cis_ews.engines.spark import SparkEngine
    from cis_ews.risk.model import RiskModel
    from cis_ews.risk.rules import RulesModel
    from cis_ews.scoring import ScoreRun
    from cis_ews.storage.store import RunStore

School = Annotated[
    str | None,
    typer.Option("--school", metavar="ID", help="A school's id. Default: the school with the most flags."),
]


def score(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    source: Source,
    *,
    as_of: AsOf,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The store for the run. Default: the settings' store."),
    ] = None,
    model: Model = None,
    source_format: Format = None,
    policy: Policy = None,
    keep_state: Annotated[
        bool,
        typer.Option("--keep-state", help="SOURCE is the whole year; keep it, so that later nights may send a delta."),
    ] = False,
    delta: Annotated[
        bool, typer.Option("--delta", help="SOURCE holds only what is new, corrected or withdrawn (removed/).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Score a night: who needs a conversation, and why.

    Reads the extract, applies corrections, measures indicators, asks the
    flag rules and the trained model, if there is one, assigns tiers within
    each school's capacity, keeps the run (DIR/runs/<date>/<run id>/) and
    makes it current in the database. The same night again finds its run,
    checks it and leaves it.

    Examples:

        cis-ews score extract --as-of 2026-02-27 --out night

        cis-ews score extract --as-of today --model models:/cis-ews@champion

        15 3 * * 1-5  cis-ews score /srv/sis --as-of yesterday --json

        cis-ews score today --delta --as-of 2026-03-02 --out night
    """
    if keep_state and delta:
        raise typer.BadParameter("an extract is the whole year or a delta: give --keep-state or --delta")
    state = "keep" if keep_state else "add" if delta else None
    session = begin(context, as_json=as_json)
    store = session.store(out)
    chosen = chosen_model(session, model, store=store)
    night = run_night(
        session, source, chosen, store=store, as_of=as_of, source_format=source_format, policy=policy, state=state
    )
    show_loaded(session.terminal, night.loaded)
    show_night(session.terminal, night)
    session.terminal.say(f"Next: cis-ews flags --run {shlex.quote(str(night.run.path))}")


def explain(context: typer.Context, student_id: StudentId, *, run: RunFolder, as_json: Json = False) -> None:
    """One student's tier, reasons and strengths, in plain words.

    Names are not in a run: it knows students by the extract's id. Rules that
    could not speak are listed with what they would need.

    Example:

        cis-ews explain 10023 --run night
    """
    session = begin(context, as_json=as_json)
    opened = open_named_run(run)
    scores = opened.rows_of("scores", student_id)
    if scores.is_empty():
        hint = "check the id and the run; a student who was not enrolled on the as-of date has no score"
        raise RunNotFoundError(f"Run {opened.run_id} has no such student", hint=hint)
    show_student(
        session.terminal,
        scores.row(0, named=True),
        reasons=opened.rows_of("reasons", student_id),
        rules=opened.rows_of("rules", student_id),
    )


def flags(
    context: typer.Context,
    *,
    run: RunFolder,
    school: School = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many to print.")] = 10,
    as_json: Json = False,
) -> None:
    """The first flags of one school, each with its reasons.

    Tier 3 first, then who has the most rules against them. Student ids are
    printed (names are not in a run): mind who reads along.

    Example:

        cis-ews flags --run night --school 101 --top 5
    """
    from cis_ews.cli.summaries import busiest_school, flags_of

    session = begin(context, as_json=as_json)
    opened = open_named_run(run)
    school_id = school or busiest_school(opened)
    if school_id is None:
        session.terminal.say("No student is flagged in this run.")
        session.terminal.record("flags", school_id=None, flagged=0)
        return
    found = flags_of(opened, school_id)
    if found is None:
        raise ConfigError("No student of that school was scored in this run", hint="check the school's id")
    show_flags(session.terminal, found[:top], school_id=school_id, total=len(found))


def export(
    context: typer.Context,
    *,
    run: RunFolder,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.", show_default=False)],
    to: Annotated[Literal["files"], typer.Option("--to", help="files: CSV, a manifest, and export.ok last.")] = "files",
    by_school: Annotated[bool, typer.Option("--by-school", help="One folder a school.")] = False,
    as_json: Json = False,
) -> None:
    """What school systems pick up: scores and reasons as files.

    A consumer waits for export.ok and checks each file against the
    manifest. The files hold student ids and no names.

    Example:

        cis-ews export --run night --to files --out outbox
    """
    from cis_ews.exports.files import export_files

    session = begin(context, as_json=as_json)
    report = export_files(open_named_run(run), out, by_school=by_school)
    session.terminal.table("Files", ["file", "rows"], list(report.rows.items()))
    session.terminal.say()
    session.terminal.place(f"Exported ({to}) to", out)
    session.terminal.record("exported", to=to, out=str(out), rows=dict(report.rows))


def replay(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or a store (its newest run).")],
    *,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="SOURCE", help="Where the extract lies now. Default: where it lay."),
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Bring back what retention took away from a compacted run.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a past night again and compare every file, byte for byte.

    In a folder of its own that is removed afterwards: the run and the
    database stay as they are, but for --restore. Exit code 3 where an input
    is gone or was changed, 5 where the files differ.

    Example:

        cis-ews replay night/runs/2026-02-27/0123456789abcdef
    """
    from cis_ews.replaying import replay as replayed
    from cis_ews.storage.manifest import COVERAGE
    from cis_ews.storage.store import RunStore

    session = begin(context, as_json=as_json)
    opened = open_named_run(run)
    with engine_of(session) as engine:
        found = replayed(
            opened,
            RunStore(opened.path.parents[2]),
            source=source,
            restore=restore,
            engine=engine,
            progress=session.terminal,
        )
    session.terminal.record("replayed", run_id=opened.run_id, **asdict(found))
    for name, why in found.not_compared.items():
        session.terminal.line(f"{name} was not compared: {why}")
    for package, (then, now) in found.versions.items():
        session.terminal.say(f"{package}: {then} then, {now} now")
    if found.differing:
        is_folder = set(found.differing) == {COVERAGE} and not found.versions
        raise StorageError(
            f"{counted(len(found.differing), 'file')} of run {opened.run_id} came out otherwise: "
            f"{', '.join(found.differing)}",
            hint=_OTHER_FILES if is_folder else _OTHER_VERSIONS,
        )
    session.terminal.say(f"Run {opened.run_id}: {counted(len(found.same), 'file')} made again, the same bytes.")
    if restore:
        back = ", ".join(found.restored)
        session.terminal.line(f"Brought back: {back}" if back else "Nothing to bring back: the run is not compacted.")


def chosen_model(session: Session, named: str | None, *, store: RunStore) -> RulesModel | RiskModel:
    """The model that `--model` names, else that of the settings."""
    from cis_ews.risk.registry import load_model

    with session.terminal.step("model"):
        return load_model(session.settings.model.use if named is None else named, registry=session.registry(store))


def engine_of(session: Session) -> LocalEngine | SparkEngine:
    """Who works on the parts of a night, by the settings."""
    from cis_ews.engines.local import LocalEngine
    from cis_ews.engines.spark import SparkEngine

    chosen = session.settings.engine
    return LocalEngine(chosen.workers) if chosen.spark is None else SparkEngine(master=chosen.spark)


def run_night(
    session: Session,
    source: Path,
    model: RulesModel | RiskModel,
    *,
    store: RunStore,
    as_of: date,
    source_format: str | None,
    policy: Path | None = None,
    state: Literal["keep", "add"] | None = None,
) -> ScoreRun:
    """Score a night with what the session's settings say, and log what came of it."""
    from cis_ews.evaluation.groups import told_groups
    from cis_ews.night.parts import STUDENTS_A_PART
    from cis_ews.night.reach import check_has_come
    from cis_ews.risk.tiers import TierPolicy
    from cis_ews.scoring import score_night

    check_has_come(as_of, date.today())
    with leaving(lambda: _left(session)), engine_of(session) as engine:
        night = score_night(
            source,
            model=model,
            policy=TierPolicy.load(policy or session.settings.policy.tiers),
            store=store,
            as_of=as_of,
            format=session.format(source_format),
            tolerance=session.settings.source.tolerance,
            database=session.database_url(store),
            progress=session.terminal,
            engine=engine,
            students_a_part=session.settings.engine.students_a_part or STUDENTS_A_PART,
            state=state,
            groups=told_groups,
            time_zone=session.settings.service.zone,
        )
    run = night.run
    get_log().info(
        "scored", run_id=run.run_id, as_of=run.as_of, model_version=run.model_version, **run.manifest["counts"]
    )
    return night


def _left(session: Session) -> Left:
    """How a night that is ended leaves things."""
    if "publish" in session.terminal.begun:
        return Left("this night is published whole or not at all", "Run the same command again: it finds out.")
    return Left("nothing of this night is published", "Run the same command again: the parts that are done are kept.")


_OTHER_VERSIONS = "install the package versions of the run's manifest and replay it again"
_OTHER_FILES = "a file that no night reads has come into the folder of the extract, or left it: put it back as it was"
