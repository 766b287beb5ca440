"""Whether a night is like the nights before it: the verb `monitor`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.options import Format, Json, OptionalAsOf, Store
from cis_ews.cli.session import Session, begin, open_named_run, read_source
from cis_ews.cli.show import show_damaged, show_rejections
from cis_ews.cli.terminal import Terminal
from cis_ews.wording import counted, some

if TYPE_CHECKING:
    from cis_ews.evaluation.drift import Finding, Monitoring
    from cis_ews.evaluation.later_outcomes import OutcomesTold
    from cis_ews.storage.runs import Run

FAULTY = 6
"""The exit code where a finding says that lists may be wrong today; warnings alone leave it at 0."""
RUNS_NAMED = 6
"""So many compacted runs at most are named: nights a week apart, they are enough to know what is usual."""


def monitor(
    context: typer.Context,
    *,
    store: Store = None,
    as_of: OptionalAsOf = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            "--outcomes",
            metavar="SOURCE",
            help="A later extract: whether the night's risks came true by it.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="DIR", help="With --outcomes: the night, by its run's folder.", show_default=False
        ),
    ] = None,
    source_format: Format = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 6 for warnings too.")] = False,
    as_json: Json = False,
) -> None:
    """Whether a night is like the nights before it, school by school.

    The newest night of the store, or that of --as-of, beside the one a week
    before; what is unusual is known from the earlier nights. Where several
    districts share the store, each is held beside its own nights. Exit code
    6 where lists may be wrong. It names schools, and no student.

    With --outcomes, once the outcome that the night's model foretells is
    over: how many had it, beside the risks of that night, school by school.

    Examples:

        cis-ews score extract --as-of yesterday --out night

        cis-ews monitor --store night

        cis-ews monitor --store night --as-of 2026-01-30 --outcomes june
    """
    from cis_ews.evaluation.drift_checks import Severity

    _check_options(outcomes, run, as_of=as_of, source_format=source_format)
    session = begin(context, as_json=as_json)
    if outcomes is None:
        found = _monitored(session, store, as_of)
    else:
        runs = [open_named_run(run)] if run else _nights(session, store, as_of)
        found = _beside_outcomes(session, runs, outcomes, source_format=source_format)
    if any(strict or each.check.severity == Severity.ERROR for each in found):
        raise typer.Exit(FAULTY)


def _check_options(outcomes: Path | None, run: Path | None, *, as_of: date | None, source_format: str | None) -> None:
    if outcomes is None and (run or source_format):
        raise typer.BadParameter("--run and --format belong to --outcomes: name the later extract")
    if run and as_of:
        raise typer.BadParameter("name the night by --run or by --as-of")


def _monitored(session: Session, store: Path | None, as_of: date | None) -> list[Finding]:
    from cis_ews.evaluation.drift import monitor_store

    found = monitor_store(session.existing_store(store), as_of)
    for each in found:
        if len(found) > 1:
            session.terminal.say()
            session.terminal.line(f"{counted(len(each.schools), 'school')}: {some(each.schools)}")
        show_monitoring(session.terminal, each)
    show_damaged(session.terminal, {folder for each in found for folder in each.damaged})
    return [finding for each in found for finding in each.findings]


def _nights(session: Session, store: Path | None, as_of: date | None) -> list[Run]:
    from cis_ews.evaluation.drift import nights_of_day

    return nights_of_day(session.existing_store(store), as_of)


def _beside_outcomes(
    session: Session, runs: Sequence[Run], outcomes: Path, *, source_format: str | None
) -> list[Finding]:
    from cis_ews.evaluation.later_outcomes import is_by_model, learned_label, outcomes_of_run, runs_of_extract

    scored = [run for run in runs if is_by_model(run)]
    for run in scored or runs:  # before a long reading: each names its label, or is refused
        learned_label(run)
    show_without_risks(session.terminal, [run for run in runs if run not in scored])
    school_data = read_source(session, outcomes, source_format)
    show_rejections(session.terminal, school_data)
    with session.terminal.step("judge outcomes"):
        found = [outcomes_of_run(run, school_data) for run in runs_of_extract(scored, school_data)]
    for each in found:
        show_outcomes(session.terminal, each)
    return [finding for each in found for finding in each.findings]


def show_without_risks(terminal: Terminal, runs: Sequence[Run]) -> None:
    """Runs that were passed over, since rules alone decided."""
    for run in runs:
        terminal.line(f"Passed over: run {run.run_id} of {run.as_of}, decided by rules alone; it has no risks.")
        terminal.record("run_without_risks", run_id=run.run_id, as_of=run.as_of)


def show_outcomes(terminal: Terminal, told: OutcomesTold) -> None:
    """Of whom a night's risks were held beside outcomes, and each finding with what to do."""
    from cis_ews.evaluation.suppression import as_told

    terminal.record(
        "outcomes",
        run_id=told.run.run_id,
        as_of=told.run.as_of,
        label=told.label,
        horizon_end=told.horizon_end,
        risks=told.risks,
        judged=told.judged,
        left_out=dict(told.left_out),
        together=told.is_together,
        schools=list(told.schools),
        findings=len(told.findings),
    )
    for finding in told.findings:
        _show_finding(terminal, finding)
    terminal.say()
    everyone = "the students" if told.risks is None else counted(told.risks, "student")
    terminal.line(
        f"{told.run.as_of} beside what came of {told.label} by {told.horizon_end}: "
        f"{counted(len(told.findings), 'finding')}."
    )
    terminal.line(
        f"{as_told(told.judged)} of {everyone} with a risk have an outcome"
        f"{', those left out:' if told.left_out else '.'}"
    )
    for why, count in told.left_out.items():
        terminal.item(f"{as_told(count)}: {why}")
    if told.schools:
        terminal.line(f"Judged by themselves: {counted(len(told.schools), 'school')} ({some(told.schools)}).")
    if not told.is_together:
        terminal.line("Too few to tell: nothing is said of fewer than 10 students, nor where chance alone could do it.")


def show_monitoring(terminal: Terminal, found: Monitoring) -> None:
    """What was compared, and each finding with what to do."""
    from cis_ews.evaluation.drift import FEWEST_EARLIER

    terminal.record(
        "monitored",
        as_of=found.as_of,
        schools=len(found.schools),
        compared_with=found.compared_with,
        earlier=found.earlier,
        compacted=[run.run_id for run in found.compacted],
        findings=len(found.findings),
    )
    for finding in found.findings:
        _show_finding(terminal, finding)
    beside = f"the night of {found.compared_with}" if found.compared_with else "no night"
    terminal.say(f"\n{found.as_of} beside {beside}: {counted(len(found.findings), 'finding')}.")
    if found.compared_with is None or found.earlier < FEWEST_EARLIER:
        terminal.line(
            f"Too early to tell: {counted(found.earlier, 'earlier comparison')} of this school year, "
            f"{FEWEST_EARLIER} are needed to know what is usual. Score on; a night a week is enough."
        )
        _show_compacted(terminal, found.compacted)


def _show_compacted(terminal: Terminal, compacted: Sequence[Run]) -> None:
    """Earlier nights that could be compared with, once what was taken away of them is back."""
    if compacted:
        terminal.line(
            f"Passed over: {counted(len(compacted), 'earlier run')} that retention compacted, since monitoring needs "
            "their indicators. Bring them back, the newest first:"
        )
        for run in reversed(compacted[-RUNS_NAMED:]):
            terminal.shell("cis-ews", "replay", str(run.path), "--restore")


def _show_finding(terminal: Terminal, finding: Finding) -> None:
    check = finding.check
    terminal.record(
        "finding",
        code=check.code,
        severity=check.severity,
        title=check.title,
        school_id=finding.school_id,
        feature=finding.feature,
        value=finding.value,
        usual=finding.usual,
        then=finding.then,
        now=finding.now,
        jensen_shannon=finding.distance,
        says=check.sentence(value=finding.value, usual=finding.usual, then=finding.then, now=finding.now),
        what_to_do=check.what_to_do,
    )
    where = f"school {finding.school_id}" if finding.school_id else "the whole extract"
    terminal.say()
    terminal.line(f"{check.code} {check.severity}: {check.title} ({where}, {finding.feature})")
    said = check.sentence(value=finding.value, usual=finding.usual, then=finding.then, now=finding.now)
    terminal.item(said[0].upper() + said[1:])
    terminal.item(f"What to do: {check.what_to_do}", mark=">")
