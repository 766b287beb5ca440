"""Whether a night is like the nights before it: the verb `monitor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.options import Json, OptionalAsOf, Store
from cis_ews.cli.session import begin
from cis_ews.cli.show import show_damaged
from cis_ews.cli.terminal import Terminal
from cis_ews.wording import counted, some

if TYPE_CHECKING:
    from cis_ews.evaluation.drift import Finding, Monitoring
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
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 6 for warnings too.")] = False,
    as_json: Json = False,
) -> None:
    """Whether a night is like the nights before it, school by school.

    The newest night of the store, or that of --as-of, beside the one a week
    before; what is unusual is known from the earlier nights. Where several
    districts share the store, each is held beside its own nights. Exit code
    6 where lists may be wrong. It names schools, and no student.

    Example:

        cis-ews score extract --as-of yesterday --out night

        cis-ews monitor --store night
    """
    from cis_ews.evaluation.drift import monitor_store
    from cis_ews.evaluation.drift_checks import Severity

    session = begin(context, as_json=as_json)
    named = session.existing_store(store)
    found = monitor_store(named, as_of)
    for each in found:
        if len(found) > 1:
            session.terminal.say()
            session.terminal.line(f"{counted(len(each.schools), 'school')}: {some(each.schools)}")
        show_monitoring(session.terminal, each)
    show_damaged(session.terminal, {folder for each in found for folder in each.damaged})
    findings = [finding for each in found for finding in each.findings]
    if any(strict or each.check.severity == Severity.ERROR for each in findings):
        raise typer.Exit(FAULTY)


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
