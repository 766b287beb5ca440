"""What `check` shows on a terminal: findings with the worst on top, then the counts behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cis_ews.checking.words import harmless
from cis_ews.cli.show import say_notes, show_domains
from cis_ews.cli.terminal import Terminal
from cis_ews.schema.refusals import rule_words
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.checking.findings import Finding
    from cis_ews.checking.result import CheckResult

OF_A_KIND = 5
"""So many findings of a kind are shown; the others are counted."""
SCHOOLS = 12
_ID, _ONLY_ID, _NAME = 20, 36, 40


def show_check(terminal: Terminal, result: CheckResult) -> None:
    """Everything, for a person."""
    _show_verdict(terminal, result)
    for _, alike in groupby(result.findings, key=lambda each: each.kind.code):
        _show_kind(terminal, list(alike))
    _show_tables(terminal, result)
    _show_rejections(terminal, result)
    _show_schools(terminal, result)
    show_domains(terminal, result.coverage)
    rows = [list(row) for row in result.rows_after.items()]
    terminal.table(f"Rows dated after {result.day} (ignored by a night as of that day)", ["table", "rows"], rows)
    say_notes(terminal, result.notes)


def show_refused(terminal: Terminal, result: CheckResult) -> None:
    """A source that cannot be used, for a program; a person reads the error."""
    terminal.record("checked", **result.to_dict(), kept=None)


def _show_verdict(terminal: Terminal, result: CheckResult) -> None:
    terminal.line(f"{harmless(result.source)}: {result.verdict}")
    terminal.line(result.compared)
    for path in result.beside.damaged:
        terminal.item(f"Passed over, since it is damaged: {path}", mark="!")
        terminal.item("What to do: remove it, or restore it from a copy", mark=">")


def _show_kind(terminal: Terminal, findings: Sequence[Finding]) -> None:
    """Findings of one kind, and what to do about them."""
    kind, shown = findings[0].kind, findings[:OF_A_KIND]
    terminal.say()
    terminal.line(f"{kind.code} {kind.severity}: {kind.title}")
    for each in shown:
        terminal.item(f"{each.where}: {each.says}")
    if len(findings) > len(shown):
        terminal.item(f"{len(findings) - len(shown):,} more of this kind: see them with --html or --json", mark="+")
    terminal.item(f"What to do: {kind.what_to_do}", mark=">")


def _show_tables(terminal: Terminal, result: CheckResult) -> None:
    columns = ["table", "read", "rejected", "reduced", "kept"]
    if result.beside.summary is not None:
        columns.append("read_before")
    rows = [[row[name] for name in columns] for row in result.tables]
    terminal.table("Rows by table", [name.replace("_", " ") for name in columns], rows)


def _show_rejections(terminal: Terminal, result: CheckResult) -> None:
    rows = [(row["table"], rule_words(row), row["rows"], _first(row)) for row in result.rejections]
    title, columns = "Rejections by table and rule", ["table", "rule", "rows", "first rows"]
    if terminal.shows_whole(columns, rows):
        terminal.table(title, columns, rows)
    else:
        terminal.table(title, columns[:-1], [row[:-1] for row in rows])
        terminal.say("\nFirst rows of each")
        for table, rule, _, first in rows:
            terminal.item(f"{table}, {rule}: {first}")
    if not rows:
        terminal.say("\nNo row was rejected.")
        return
    terminal.say("\nWhat to do about each rule")
    for rule, what_to_do in sorted({row["rule"]: row["what_to_do"] for row in result.rejections}.items()):
        terminal.item(f"{rule}: {what_to_do}")


def _first(row: Mapping[str, Any]) -> str:
    """The first places; the file is said where it is not the one that the table's name tells."""
    plain = {None, *(f"{row['table']}.{suffix}" for suffix in ("csv", "parquet"))}
    by_file = groupby(row["first"], key=lambda place: place["file"])
    said = [(file, ", ".join(str(place["row"]) for place in places)) for file, places in by_file]
    return "; ".join(rows if file in plain else f"{harmless(file)}: {rows}" for file, rows in said)


def _show_schools(terminal: Terminal, result: CheckResult) -> None:
    listed = list(result.schools)
    if len(listed) > SCHOOLS:
        named = {each.school_id for each in result.findings}
        listed = [row for row in listed if row["rejected"] or row["school_id"] in named][:SCHOOLS]
    has_names = any(row["name"] for row in listed)
    columns = ["school", "students", "rejected", "reported", "behind", *(["name"] if has_names else [])]
    rows = [_school(row, has_names=has_names) for row in listed]
    terminal.table(f"Schools as of {result.day}: last reported day, school days behind", columns, rows)
    if len(result.schools) > len(listed):
        more = counted(len(result.schools) - len(listed), "more school" if listed else "school")
        terminal.item(f"{more}: see them with --html or --json", mark="+")


def _school(row: Mapping[str, Any], *, has_names: bool) -> list[object]:
    return [
        harmless(row["school_id"], most=_ID if has_names else _ONLY_ID),
        row["students"],
        row["rejected"],
        row["reported_through"],
        row["school_days_behind"],
        *([harmless(row["name"] or "-", most=_NAME)] if has_names else []),
    ]
