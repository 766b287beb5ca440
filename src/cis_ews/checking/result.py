"""A check as one object: the terminal, JSON and the page show this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.checking.catalog import BY_CODE, Severity, hint_of_rule
from cis_ews.checking.changes import changed
from cis_ews.checking.counting import ColumnCodes
from cis_ews.checking.findings import (
    DOMAINS,
    LEFT_OUT,
    Finding,
    behind,
    found_in,
    in_order,
    schools_of_rule,
    shortly,
)
from cis_ews.checking.kept import Beside
from cis_ews.checking.reading import CheckedSource
from cis_ews.checking.summary import Summary
from cis_ews.errors import DataError
from cis_ews.schema.coverage import Coverage
from cis_ews.schema.refusals import rejected_rows, rejections_by_rule
from cis_ews.schema.school_data import TABLES
from cis_ews.wording import counted

NOT_ASKED = Beside(summary=None, what="nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check has found.

    `source`: the name of the folder or file. `layout`: the format that it was read by. `day`: on which freshness is
    measured; `is_given`: whether somebody named it. `tables`, `schools`, `rejections`: rows of docs/checking.md.
    `refused`: why the extract cannot be used; then the tables, schools and coverage are empty.
    """

    source: str
    layout: str
    day: date | None
    is_given: bool
    findings: tuple[Finding, ...]
    beside: Beside = NOT_ASKED
    tables: Sequence[Mapping[str, Any]] = ()
    schools: Sequence[Mapping[str, Any]] = ()
    rejections: Sequence[Mapping[str, Any]] = ()
    coverage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: Sequence[str] = ()
    rows_after: Mapping[str, int] = field(default_factory=dict[str, int])
    refused: str | None = None

    @property
    def verdict(self) -> str:
        """How many errors and warnings, in words."""
        warnings = len(self.findings) - self.errors
        said = [counted(number, word) for number, word in ((self.errors, "error"), (warnings, "warning")) if number]
        return f"{', '.join(said) or 'no findings'}."

    @property
    def compared(self) -> str:
        """What it was held against, in words."""
        others = self.beside.others
        if self.beside.summary is None:
            aside = f" ({counted(others, 'kept extract')} of other sources)" if others else ""
            return f"There is no earlier extract to compare with{aside}."
        of_run = " A run keeps rows by table and the schools: columns and codes are not compared."
        return f"Compared with {self.beside.what}.{of_run if self.beside.summary.is_of_run else ''}"

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(each.kind.severity == Severity.ERROR for each in self.findings)

    def refuses(self, *, accept: bool) -> int:
        """How many errors stand; `accept`: an extract that is unlike the one before is meant to be."""
        errors = [each.kind for each in self.findings if each.kind.severity == Severity.ERROR]
        return sum(not (accept and kind.is_change) for kind in errors)

    @property
    def is_unlike(self) -> bool:
        """Whether it should not take the place of the extract that the next one is held against."""
        return any(each.kind.is_unlike for each in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the keys that docs/checking.md names."""
        then = self.beside.summary
        return {
            "source": self.source,
            "format": self.layout,
            "as_of": self.day,
            "errors": self.errors,
            "warnings": len(self.findings) - self.errors,
            "findings": [each.to_dict() for each in self.findings],
            "compared_with": None if then is None else {"what": self.beside.what, "extract": then.extract},
            "tables": list(self.tables),
            "rejections": list(self.rejections),
            "schools": list(self.schools),
            "coverage": dict(self.coverage),
            "rows_after_as_of": dict(self.rows_after),
            "notes": list(self.notes),
        }


def judged(
    source: CheckedSource,
    summary: Summary,
    codes: Mapping[str, ColumnCodes],
    *,
    path: Path,
    as_of: date | None,
    beside: Beside,
) -> CheckResult:
    """What is to be said of a source. `summary`: of it. `codes`: all of its, by column."""
    day = as_of or source.newest_day
    in_use = source.counts.students(day)
    unlike = changed(beside, summary, codes)
    return CheckResult(
        source=path.resolve().name,
        layout=summary.layout,
        day=day,
        is_given=as_of is not None,
        findings=in_order([*found_in(source, day), *unlike]),
        beside=beside,
        tables=_tables(source, beside.summary),
        schools=_schools(source, day, in_use),
        rejections=[_rejection(source, row) for row in rejections_by_rule(source.rejections)],
        coverage=_coverage(source.coverage),
        notes=[note for note in source.coverage.notes if LEFT_OUT not in note],
        rows_after=source.counts.later(day),
    )


def refusal(error: DataError, *, path: Path, layout: str) -> CheckResult:
    """What is to be said of a source that cannot be used."""
    rejections: pl.DataFrame | None = getattr(error, "rejections", None)
    rows = [] if rejections is None else rejections_by_rule(rejections)
    lost = int(str(error.details.get("rejected", 1)))
    finding = Finding(kind=BY_CODE["EWS100"], says=error.message, count=lost, hint=error.hint)
    return CheckResult(
        source=path.resolve().name,
        layout=Path(layout).name,
        day=None,
        is_given=False,
        findings=(finding,),
        rejections=[_told(row, {}) for row in rows],
        refused=f"{error.message}. What to do: {error.hint}" if error.hint else error.message,
    )


def _tables(source: CheckedSource, then: Summary | None) -> list[dict[str, Any]]:
    lost = rejected_rows(source.rejections)
    before: Mapping[str, Mapping[str, int]] = {} if then is None else then.tables
    return [
        {
            "table": table,
            "read": read,
            "rejected": lost.get(table, 0),
            "reduced": source.rows_reduced.get(table, 0),
            "kept": source.counts.kept(table),
            "read_before": before.get(table, {}).get("read", 0) if then else None,
        }
        for table in TABLES
        if (read := source.rows_read.get(table)) is not None
    ]


def _coverage(coverage: Coverage) -> dict[str, Any]:
    """What the source can speak of; why a table was left out is a finding."""
    said: dict[str, Any] = {name: asdict(coverage.of(name)) for name in DOMAINS}
    for domain in said.values():
        domain["reason"] = domain["reason"] and shortly(domain["reason"])
    return {**said, "reporting_known": coverage.reporting_known}


def _schools(source: CheckedSource, day: date, in_use: Mapping[str, int]) -> list[dict[str, Any]]:
    late, by_school = behind(source, day), _by_school(source.counts.rows)
    listed = source.schools.select("school_id", "district_id", "name").sort("school_id").iter_rows()
    return [
        {
            "school_id": school,
            "district_id": district,
            "name": name,
            "students": in_use.get(school, 0),
            "reported_through": source.coverage.last_reported.get(school),
            "school_days_behind": late.get(school),
            "rejected": sum(rows["rejected"] for rows in by_school.get(school, {}).values()),
            "tables": by_school.get(school, {}),
        }
        for school, district, name in listed
    ]


def _by_school(rows: pl.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows.filter(pl.col("school_id").is_not_null()).iter_rows(named=True):
        counts = {name: row[name] for name in ("read", "rejected", "kept")}
        found.setdefault(row["school_id"], {})[row["table"]] = counts
    return found


def _rejection(source: CheckedSource, row: Mapping[str, Any]) -> dict[str, Any]:
    return _told(row, schools_of_rule(source, row))


def _told(row: Mapping[str, Any], schools: Mapping[str, int]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("table", "rule", "column", "rows")},
        "first": [{"file": file, "row": number} for file, number in row["places"]],
        "schools": dict(schools),
        "what_to_do": hint_of_rule(row["rule"]),
    }
