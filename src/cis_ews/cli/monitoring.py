"""Whether a night is like the nights before it: the verb `monitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cis_ews.cli.options import Json, OptionalAsOf, Store
from cis_ews.cli.session import begin
from cis_ews.cli.terminal import Terminal
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.evaluation.drift import Finding, Monitoring

FAULTY = 6
"""The exit code where a finding says that lists may be wrong today; warnings alone leave it at 0."""


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
    before; what is unusual is known from the earlier nights. Exit code 6
    where lists may be wrong. It names schools, and no student.

    Example:

        cis-ews score extract --as-of yesterday --out night

        cis-ews monitor --store night
    """
    from cis_ews.evaluation.drift import monitor_store
    from cis_ews.evaluation.drift_checks import Severity

    session = begin(context, as_json=as_json)
    found = monitor_store(session.existing_store(store), as_of)
    show_monitoring(session.terminal, found)
    if any(strict or each.check.severity == Severity.ERROR for each in found.findings):
        raise typer.Exit(FAULTY)


def show_monitoring(terminal: Terminal, found: Monitoring) -> None:
    """What was compared, and each finding with what to do."""
    from cis_ews.evaluation.drift import FEWEST_EARLIER

    terminal.record(
        "monitored",
        as_of=found.as_of,
        compared_with=found.compared_with,
        earlier=found.earlier,
        findings=len(found.findings),
    )
    for finding in found.findings:
        _show_finding(terminal, finding)
    beside = f"the night of {found.compared_with}" if found.compared_with else "no night"
    terminal.say(f"\n{found.as_of} beside {beside}: {counted(len(found.findings), 'finding')}.")
    if found.compared_with is None or found.earlier < FEWEST_EARLIER:
        terminal.say(
            f"Too early to tell: {counted(found.earlier, 'earlier comparison')} of this school year, "
            f"{FEWEST_EARLIER} are needed to know what is usual. Score on; a night a week is enough."
        )


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
        what_to_do=check.what_to_do,
    )
    where = f"school {finding.school_id}" if finding.school_id else "the whole extract"
    terminal.say(f"\n{check.code} {check.severity}: {check.title} ({where}, {finding.feature})")
    figures = [
        f"{name} {value:.2f}"
        for name, value in (
            ("measured", finding.value),
            ("usually below", finding.usual),
            ("expected or before", finding.then),
            ("now", finding.now),
        )
        if value is not None
    ]
    terminal.item(", ".join(figures))
    terminal.item(f"What to do: {check.what_to_do}", mark=">")
