"""A check as a page: one file that a data steward can send, print or file away; no student and no value is in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from cis_ews.checking.findings import Finding
from cis_ews.checking.result import CheckResult
from cis_ews.checking.words import harmless
from cis_ews.enums import Domain
from cis_ews.pages import whole_page
from cis_ews.schema.refusals import rule_words
from cis_ews.schema.school_data import TABLES

STYLE = Path(__file__).with_name("page.css")
Row = Sequence[object]
_DAY = ' class="d"'


def check_page(result: CheckResult) -> str:
    """The page."""
    title = f"Check of {harmless(result.source)}"
    parts = [f"<h1>{_text(title)}</h1>", _verdict(result), _findings(result), *_counts(result), *_coverage(result)]
    return whole_page(title, "\n".join(filter(None, parts)), style=STYLE.read_text(encoding="utf-8"))


def _verdict(result: CheckResult) -> str:
    verdict = result.verdict[0].upper() + result.verdict[1:] if result.refused is None else "It cannot be used."
    on = f" Freshness is measured on {result.day}." if result.day else ""
    said = [result.refused or result.compared, f"Read as {result.layout}.{on}"]
    return "\n".join([f'<p class="verdict">{_text(verdict)}</p>', *(f"<p>{_text(each)}</p>" for each in said)])


def _findings(result: CheckResult) -> str:
    if result.refused is not None or not result.findings:
        return ""
    by_kind = [list(alike) for _, alike in groupby(result.findings, key=lambda each: each.kind.code)]
    return "\n".join(["<h2>Findings</h2>", *map(_kind, by_kind)])


def _kind(findings: Sequence[Finding]) -> str:
    kind = findings[0].kind
    items = "\n".join(f"<li>{_text(each.where)}: {_text(each.says)}</li>" for each in findings)
    return (
        f'<section class="{kind.severity.value}">\n<h3>{kind.code} {kind.severity.value}: {_text(kind.title)}</h3>\n'
        f'<ul>\n{items}\n</ul>\n<p class="do"><strong>What to do:</strong> {_text(kind.what_to_do)}</p>\n</section>'
    )


def _counts(result: CheckResult) -> list[str]:
    columns = ["table", "read", "rejected", "reduced", "kept"]
    if result.beside.summary is not None:
        columns.append("read_before")
    tables = [[row[name] for name in columns] for row in result.tables]
    rejected = [_rejection(row) for row in result.rejections]
    return [
        _table("Rows by table", columns, tables, why="Reduced: rows that say nothing of their own, as a day present."),
        _table(
            "Rejections by table and rule",
            ["table", "rule", "rows", "first rows", "by school"],
            rejected,
            why="Row numbers as a spreadsheet shows them: the header is row 1.",
        ),
        _rules(result),
        *_schools(result),
    ]


def _rejection(row: Mapping[str, Any]) -> Row:
    first = ", ".join(f"{harmless(each['file'] or 'row')}:{each['row']}" for each in row["first"])
    schools = ", ".join(f"{harmless(school)}: {rows:,}" for school, rows in row["schools"].items())
    return [row["table"], rule_words(row), row["rows"], first, schools]


def _rules(result: CheckResult) -> str:
    said = sorted({row["rule"]: row["what_to_do"] for row in result.rejections}.items())
    items = "\n".join(f"<li><strong>{_text(rule)}</strong>: {_text(what_to_do)}</li>" for rule, what_to_do in said)
    return f"<h2>What to do about each rule</h2>\n<ul>\n{items}\n</ul>" if said else ""


def _schools(result: CheckResult) -> list[str]:
    """Each school, and its rows by table."""
    columns = ["school", "name", "students", "reported through", "school days behind"]
    rows = [
        [
            harmless(row["school_id"]),
            harmless(row["name"] or ""),
            row["students"],
            row["reported_through"],
            row["school_days_behind"],
        ]
        for row in result.schools
    ]
    tables = [table for table in TABLES if any(table in row["tables"] for row in result.schools)]
    by_table = [
        [harmless(row["school_id"]), *(_rows(row["tables"].get(table)) for table in tables)] for row in result.schools
    ]
    why = "Rows kept; after a plus, rows rejected. Rows that name no school count at that of the student."
    return [
        _table("Schools", columns, rows, why=f"Students enrolled on {result.day}."),
        _table("Rows by school", ["school", *tables], by_table, why=why),
    ]


def _rows(counts: Mapping[str, int] | None) -> object:
    if counts is None:
        return None
    return f"{counts['kept']:,} + {counts['rejected']:,}" if counts["rejected"] else counts["kept"]


def _coverage(result: CheckResult) -> list[str]:
    domains = {name: result.coverage[name] for name in Domain if name in result.coverage}
    rows = [
        [name, *(said[key] for key in ("level", "rows", "first", "last", "reason"))] for name, said in domains.items()
    ]
    columns = ["domain", "coverage", "rows", "from", "to", "why"]
    later = [list(row) for row in result.rows_after.items()]
    notes = "\n".join(f"<li>{_text(note)}</li>" for note in result.notes)
    return [
        _table("What the source can speak of", columns, rows, why="As far as it says itself."),
        _table(f"Rows dated after {result.day}", ["table", "rows"], later, why="A night as of that day ignores them."),
        f"<h2>Notes</h2>\n<ul>\n{notes}\n</ul>" if notes else "",
    ]


def _table(title: str, columns: Sequence[str], rows: Sequence[Row], *, why: str) -> str:
    """A table under a heading of its own; numbers to the right, rows headed by the first cell. None without rows."""
    if not rows:
        return ""
    numbers = [any(isinstance(row[place], int) for row in rows) for place in range(len(columns))]
    head = "".join(
        f'<th scope="col"{_side(right)}>{_text(name.replace("_", " "))}</th>'
        for name, right in zip(columns, numbers, strict=True)
    )
    body = "\n".join(_row(row, numbers) for row in rows)
    return (
        f'<h2>{_text(title)}</h2>\n<div class="wide" role="region" aria-label="{_text(title)}" tabindex="0">\n<table>\n'
        f"<caption>{_text(why)}</caption>\n<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _row(row: Row, numbers: Iterable[bool]) -> str:
    first, *rest = (
        f"{_DAY if isinstance(value, date) else _side(right)}>{_text(_shown(value))}"
        for value, right in zip(row, numbers, strict=True)
    )
    return f'<tr><th scope="row"{first}</th>' + "".join(f"<td{cell}</td>" for cell in rest) + "</tr>"


def _side(right: bool) -> str:
    return ' class="n"' if right else ""


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _text(text: str) -> str:
    """As text of a page: no tag, no attribute, no end of either. What stands in backticks is a word of a file."""
    return re.sub(r"`([^`<>]+)`", r"<code>\1</code>", escape(text))
