"""What changed since the night before: the verb `changes`, and what `score` says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer

from cis_ews.cli import summaries
from cis_ews.cli.options import Json, RunFolder
from cis_ews.cli.session import begin, open_named_run
from cis_ews.cli.terminal import Terminal
from cis_ews.enums import Cause, Change
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.storage.runs import Run

CHANGES = {
    Change.ENTERED: "entered",
    Change.LEFT: "left",
    Change.TIER_MOVED: "moved tier",
    Change.RISK_MOVED: "moved risk",
}
CAUSES = {
    Cause.CORRECTED_RECORDS: "corrected records",
    Cause.DAYS_PASSING: "days passing",
    Cause.NEW_RECORDS: "new records",
    Cause.SCHOOL: "others in the school",
    Cause.MODEL: "another model or policy",
    None: "not told apart",
}


def changes(
    context: typer.Context,
    *,
    run: RunFolder,
    school: Annotated[
        str | None, typer.Option("--school", metavar="ID", help="A school's id. Default: all schools.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many students to print.")] = 20,
    as_json: Json = False,
) -> None:
    """Who entered, left or moved since the night before, and why.

    The night before is the newest run of an earlier day of the school year.
    Causes are told apart by working both nights out again. Student ids are
    printed (names are not in a run): mind who reads along.

    Example:

        cis-ews changes --run night --school 101
    """
    session = begin(context, as_json=as_json)
    opened = open_named_run(run)
    found = summaries.changes_of(opened, school)
    if not opened.manifest.get("compared_with", {}).get("run_id"):
        session.terminal.say("No earlier night of this school year was there to compare with.")
    show_changes(session.terminal, opened, found)
    show_changed_students(session.terminal, found, top=top)


def show_changes(terminal: Terminal, run: Run, changes: pl.DataFrame) -> None:
    """How many students changed since the run that was compared with, and why."""
    compared: Mapping[str, Any] = run.manifest.get("compared_with", {})
    by_cause = summaries.changes_by_cause(changes)
    if "run_id" in compared:
        rows = [(CHANGES[row["change"]], CAUSES[row["cause"]], row["students"]) for row in by_cause]
        terminal.table(f"Since {compared['as_of']}", ["students who", "because of", "students"], rows)
        if not rows:
            terminal.say(f"\nSince {compared['as_of']} no student entered, left or moved.")
    if untold := compared.get("causes_untold"):
        terminal.item(f"Why could not be told of the run {compared['run_id']}: {untold}", mark="!")
    if elsewhere := compared.get("students_of_other_schools"):
        some = counted(elsewhere, "student")
        terminal.item(f"Not compared: {some} of that night in schools that this extract does not have", mark="!")
    if damaged := compared.get("damaged"):
        terminal.item(f"Passed over, since they do not match their manifests: {', '.join(damaged)}", mark="!")
    terminal.record("changes", compared_with=dict(compared), changes=by_cause)


def show_changed_students(terminal: Terminal, changes: pl.DataFrame, *, top: int) -> None:
    """The first students who changed, each with the tiers and risks of both nights."""
    for row in changes.head(top).to_dicts():
        terminal.record("change", **row)
    listed = changes.select("student_id", "school_id", "change", "tier_before", "tier_now", "cause").head(top)
    rows = [
        (student, school, CHANGES[change], f"{before or '-'} to {now or '-'}", CAUSES[cause])
        for student, school, change, before, now, cause in listed.iter_rows()
    ]
    terminal.table("Students", ["student", "school", "what", "tier", "because of"], rows)
    if changes.height > top:
        terminal.say(f"The first {len(rows)} of {changes.height:,}; --top shows more.")
