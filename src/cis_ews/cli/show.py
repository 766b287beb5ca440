"""What the verbs show: tables for a person, one JSON line for a program."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from cis_ews.cli import summaries
from cis_ews.cli.changes import show_changes
from cis_ews.cli.terminal import Terminal
from cis_ews.enums import Direction, Domain, RuleStatus
from cis_ews.schema.refusals import rule_words
from cis_ews.wording import counted, decided_by, model_notices

if TYPE_CHECKING:
    from cis_ews.compacting import CompactionReport
    from cis_ews.errors import StorageError
    from cis_ews.night.loaded import LoadReport
    from cis_ews.schema.school_data import SchoolData
    from cis_ews.scoring import ScoreRun
    from cis_ews.storage.erasure import ErasureReport
    from cis_ews.storage.retention import RetentionReport

REASONS_SHOWN = 2
NO_STRENGTH = "The records name no strength; those who know the student will"
TITLES = {Direction.RISK: "Reasons", Direction.STRENGTH: "Strengths", Direction.UNKNOWN: "What we do not know"}
TIERS = {
    "students": "students",
    "tier_3": "Tier 3",
    "tier_2": "Tier 2",
    "tier_1": "Tier 1",
    "beyond_list": "of these, list full",
    "not_enough_data": "not enough data",
}


def show_rejections(terminal: Terminal, school_data: SchoolData) -> None:
    """Rows by table, and what was rejected."""
    tables = summaries.tables_read(school_data)
    terminal.table("Rows by table", ["table", "read", "rejected", "reduced", "kept"], _values(tables))
    by_rule = _show_rules(terminal, school_data.rejections)
    terminal.record("tables", tables=tables, rejections=by_rule)


def show_night(terminal: Terminal, night: ScoreRun) -> None:
    """Who was scored and who was not, what was rejected, the tiers by school, and where the run lies."""
    flow = [(step["name"], step["before"], step["excluded"], step["after"]) for step in night.cohort_flow]
    terminal.table("Cohort flow", ["step", "before", "excluded", "after"], flow)
    rejections = _show_rules(terminal, night.rejections)
    show_domains(terminal, night.coverage)
    say_notes(terminal, night.coverage["notes"])
    schools = summaries.tiers_by_school(night.scores)
    shown = [*schools, summaries.totals(schools, "all schools")] if schools else []
    rows = [(row["school_id"], *(row[name] for name in TIERS)) for row in shown]
    terminal.table("Tiers by school", ["school", *TIERS.values()], rows)
    terminal.say()
    terminal.item(f"Decided by: {decided_by(night.model)}", mark="=")
    for notice in model_notices(night.model):
        terminal.item(notice, mark="!")
    kept = "compacted" if night.run.away else "whole"
    made = "New run" if night.is_new else f"The same night had been done before; its run is {kept}"
    show_changes(terminal, night.run, night.changes)
    terminal.say()
    terminal.place(f"{made}:", night.run.path)
    if newer := night.published.kept_newer:
        terminal.say(f"{counted(len(newer), 'district')} with a newer as-of date in the database.")
    terminal.record(
        "scored",
        run=str(night.run.path),
        run_id=night.run.run_id,
        as_of=night.run.as_of,
        model_version=night.run.model_version,
        model=night.model,
        is_new=night.is_new,
        counts=night.run.manifest["counts"],
        cohort_flow=night.cohort_flow,
        rejections=rejections,
        schools=schools,
        coverage=night.coverage,
        rows_after_as_of=night.coverage["rows_after_as_of"],
    )


def show_loaded(terminal: Terminal, loaded: LoadReport | None) -> None:
    """What became of an extract that was loaded into the kept state, and where its rejected rows stand."""
    if loaded is None:
        return
    rows = loaded.rows
    done, parts = loaded.parts
    counts = [
        (table, brought, rows.forgotten.get(table, 0), rows.withdrawn.get(table, 0), rows.unknown.get(table, 0))
        for table, brought in rows.brought.items()
    ]
    terminal.table("Loaded", ["table", "rows", "of forgotten students", "keys withdrawn", "of these not there"], counts)
    places = summaries.rejections_by_rule(rows.rejections)
    terminal.table("Rejected rows of this extract", ["table", "rule", "column", "rows", "first"], _values(places))
    if loaded.was_loaded:
        terminal.item("This extract was the last one loaded: the state stays as it is.")
    say_notes(terminal, [f"{table}: {counted(torn, 'row')} torn" for table, torn in loaded.torn.items()])
    say_notes(terminal, loaded.notes)
    terminal.record(
        "loaded",
        how=loaded.how,
        was_loaded=loaded.was_loaded,
        parts_checked=done,
        parts=parts,
        brought=dict(rows.brought),
        forgotten=dict(rows.forgotten),
        withdrawn=dict(rows.withdrawn),
        unknown=dict(rows.unknown),
        rejections=places,
        torn=dict(loaded.torn),
    )


def show_deleted(terminal: Terminal, report: RetentionReport) -> None:
    """What retention deleted, or would delete."""
    kinds = {"run": len(report.runs), "correction": report.corrections, "job": report.jobs}
    counts = [counted(count, kind) for kind, count in kinds.items()]
    verb = "Would delete" if report.dry_run else "Deleted"
    terminal.say(f"{verb} {', '.join([*counts, *(['the kept state'] if report.state else [])])}.")
    for name in report.runs:
        terminal.say(f"  {name}")
    if damaged := [f"recipes/{run_id}.json" for run_id in report.damaged_recipes]:
        terminal.line(
            f"Damaged: {', '.join(damaged)}. Models and superseded corrections stay, since one may be named there. "
            "Restore it from a copy; or remove it, and that night cannot be replayed."
        )
    terminal.record(
        "retention",
        runs=list(report.runs),
        corrections=report.corrections,
        jobs=report.jobs,
        state=report.state,
        damaged_recipes=list(report.damaged_recipes),
        dry_run=report.dry_run,
    )


def show_compacted(terminal: Terminal, report: CompactionReport) -> None:
    """Which runs were compacted, or would be tried, and why others stayed whole."""
    runs = counted(len(report.compacted), "run")
    freed = f"{report.freed / 1_000_000:,.1f} MB freed"
    terminal.say(f"Would try to compact {runs}." if report.dry_run else f"Compacted {runs}, {freed}.")
    for name in report.compacted:
        terminal.say(f"  {name}")
    if report.left_whole:
        terminal.say(f"{counted(len(report.left_whole), 'run')} left whole:")
    for name, why in report.left_whole.items():
        terminal.line(f"{name}:", indent="  ")
        before = " (so it was before, with these packages; not tried again)" if name in report.not_tried else ""
        terminal.line(f"{why}{before}", indent="    ")
    if report.hindered:
        left = counted(len(report.hindered), "run")
        terminal.line(f"Another process is writing to the store: {left} left for the next retention.")
    terminal.record(
        "compacted",
        runs=list(report.compacted),
        freed=report.freed,
        left_whole=dict(report.left_whole),
        not_tried=list(report.not_tried),
        hindered=list(report.hindered),
        dry_run=report.dry_run,
    )


def show_forgotten(terminal: Terminal, report: ErasureReport) -> None:
    """What was taken away of a student, and what can no longer be done."""
    if report.unfinished:
        terminal.line(
            f"Removed: {counted(report.unfinished, 'folder')} of work/ and state/ that a night left which did not end, "
            "whoever they were about. Run that night again."
        )
    if report.found_nothing:
        where = "else was held" if report.unfinished else "was held"
        listed = "it is on the list from now on. Check that the id is right."
        if report.known_before:
            listed = "it was on the list before, and may have been forgotten by an earlier command."
        terminal.line(f"Nothing {where} about this id; {listed}")
    if report.similar:
        differ = "differ only by leading zeros, case or spaces"
        terminal.line(f"Held and not forgotten, ids that {differ}: {report.similar}")
    terminal.line(
        f"Forgotten: {counted(len(report.runs_rewritten), 'run')} rewritten, "
        f"{counted(report.database_rows, 'row')} of the database, "
        f"{counted(report.state_rows, 'row')} of the kept state and "
        f"{counted(report.corrections, 'file')} of corrections deleted. Later nights leave the student out."
    )
    if lost := len(report.lost_runs):
        terminal.line(
            f"{counted(lost, 'compacted run')} can no longer be restored: what retention took away of "
            f"{'it' if lost == 1 else 'them'} could only be made again with the student. Scores and changes stay."
        )
    terminal.record(
        "forgotten",
        runs=len(report.runs_rewritten),
        lost_runs=list(report.lost_runs),
        known_before=report.known_before,
        rows=report.database_rows,
        files=report.corrections,
        state_rows=report.state_rows,
        unfinished=report.unfinished,
        similar=report.similar,
    )


def show_refused(terminal: Terminal, refused: Mapping[Path, StorageError]) -> None:
    """Runs that could not be opened, each with what is wrong and what to do."""
    for folder, error in refused.items():
        terminal.say()
        terminal.item(error.message, mark="!")
        terminal.item(f"What to do: {error.hint}", mark=">")
        terminal.record("refused_run", path=str(folder), code=error.code, message=error.message, hint=error.hint)


def show_damaged(terminal: Terminal, folders: Collection[Path]) -> None:
    """Runs that were passed over."""
    for folder in sorted(folders):
        terminal.say()
        terminal.item(f"Passed over, since it is damaged: {folder}", mark="!")
        terminal.item("What to do: restore it from a copy, or move it away and score that night again", mark=">")
        terminal.record("damaged_run", path=str(folder))


def show_flags(terminal: Terminal, flags: Iterable[Mapping[str, Any]], *, school_id: str, total: int) -> None:
    """The first flags of a school, each with its reasons."""
    listed = list(flags)
    terminal.record("flags", school_id=school_id, flagged=total)
    terminal.say(f"School {school_id}: {counted(total, 'student')} flagged; the first {len(listed)}:")
    for flag in listed:
        terminal.say(f"\n{flag['student_id']}, grade {flag['grade_level'] or 'not known'}")
        terminal.item(flag["tier_reason"], mark="=")
        for reason in flag["reasons"][:REASONS_SHOWN]:
            terminal.item(reason)
        for strength in flag["strengths"][:1] or [NO_STRENGTH]:
            terminal.item(strength, mark="+")
        terminal.record("flag", **flag)


def show_student(terminal: Terminal, score: Mapping[str, Any], *, reasons: pl.DataFrame, rules: pl.DataFrame) -> None:
    """One student's tier, reasons, strengths, and the rules that could not speak."""
    terminal.line(score["tier_reason"])
    listed = reasons.select("direction", "rank", "domain", "indicator", "value", "sentence").to_dicts()
    for direction, title in TITLES.items():
        said = [row["sentence"] for row in listed if row["direction"] == direction]
        if not said and direction == Direction.UNKNOWN:
            continue
        terminal.say(f"\n{title}:" if said else f"\n{title}: none")
        for sentence in said:
            terminal.item(sentence)
    abstaining = rules.filter(pl.col("status") == RuleStatus.ABSTAINS).select("rule", "missing")
    silent = [(rule, str(missing).replace(",", ", ")) for rule, missing in abstaining.iter_rows()]
    terminal.table("Rules that could not speak", ["rule", "what is missing"], silent)
    terminal.record("student", **score, reasons=listed, abstaining=dict(silent))


def show_domains(terminal: Terminal, coverage: Mapping[str, Any]) -> None:
    """What a coverage statement says of each domain."""
    domains = {domain.value: coverage[domain] for domain in (Domain.ATTENDANCE, Domain.BEHAVIOR, Domain.COURSEWORK)}
    rows = [(name, *(stated[key] for key in ("level", "rows", "first", "last"))) for name, stated in domains.items()]
    terminal.table("What the source can speak of", ["domain", "coverage", "rows", "from", "to"], rows)
    for name, stated in domains.items():
        if stated["reason"]:
            terminal.item(f"{name}: {stated['reason']}")


def _show_rules(terminal: Terminal, rejections: pl.DataFrame) -> list[dict[str, Any]]:
    by_rule = summaries.rejections_by_rule(rejections)
    rows = [(row["table"], rule_words(row), row["rows"], row["first"]) for row in by_rule]
    terminal.table("Rejections by table and rule", ["table", "rule", "rows", "first rows"], rows)
    if not by_rule:
        terminal.say("\nNo row was rejected.")
    return by_rule


def say_notes(terminal: Terminal, notes: Iterable[str]) -> None:
    listed = list(notes)
    if listed:
        terminal.say("\nNotes")
    for note in listed:
        terminal.item(note)


def _values(rows: Iterable[Mapping[str, object]]) -> list[list[object]]:
    return [list(row.values()) for row in rows]
