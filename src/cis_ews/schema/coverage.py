"""What a source can speak of: attendance, behavior, coursework; from when to when; last reported day by school."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.calendars import last_days_of_years, school_year_ends, term_ends
from cis_ews.enums import AttendanceStatus, CoverageLevel, Domain
from cis_ews.wording import counted

EVENT_DATES = {
    "enrollments": "entry_date",
    "attendance_events": "date",
    "incidents": "date",
    "discipline_actions": "start_date",
    "course_grades": "graded_on",
    "supports": "date",
    "student_years": "known_on",
}
"""The column that says when a row became true; a calendar and a roster are known in advance.

The summary of a year has none: it is known when the year is over.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCoverage:
    """How far a source speaks of one domain; `reason` says why it is partial or none.

    `missing_tables`: tables of the domain that a source which covers the rest of it does not have. `missing_kinds`:
    kinds of records (`tardy`, `minor`) that it never has: that there is none of them says nothing.
    """

    level: CoverageLevel
    first: date | None = None
    last: date | None = None
    rows: int = 0
    reason: str | None = None
    missing_tables: tuple[str, ...] = ()
    missing_kinds: tuple[str, ...] = ()


NOT_COVERED = DomainCoverage(level=CoverageLevel.NONE, reason="the source has no such table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The coverage statement of an extract.

    `last_reported`: school_id -> the last day of which the school's absences are known. `reporting_known`: whether the
    source itself says so; otherwise it is the last recorded event, and silence cannot be told from perfect attendance.
    `notes`: what was derived, left out or assumed, in sentences without any student's name, id or value.
    """

    attendance: DomainCoverage = NOT_COVERED
    behavior: DomainCoverage = NOT_COVERED
    coursework: DomainCoverage = NOT_COVERED
    last_reported: dict[str, date] = field(default_factory=dict[str, date])
    reporting_known: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reported(self) -> dict[str, date]:
        """`last_reported` where the source itself says so; else nothing."""
        return self.last_reported if self.reporting_known else {}

    def of(self, domain: Domain) -> DomainCoverage:
        """Coverage of one of the three domains."""
        by_domain = {
            Domain.ATTENDANCE: self.attendance,
            Domain.BEHAVIOR: self.behavior,
            Domain.COURSEWORK: self.coursework,
        }
        return by_domain[domain]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: dates as ISO text, keys sorted by the writer."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def _plain(value: Any) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast("list[object]", value)]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedRows:
    """How many rows a table has, and how many of them are known from which day on."""

    rows: int = 0
    days: Mapping[date, int] = field(default_factory=dict[date, int])

    @classmethod
    def of(cls, days: pl.Series) -> DatedRows:
        """Of the day of each row, null where nothing says it."""
        known = days.drop_nulls().to_physical().to_numpy()
        first = int(known.min()) if known.size else 0
        return cls(rows=days.len(), days=day_counts(first, np.bincount(known - first)))

    @property
    def first(self) -> date | None:
        """The first day."""
        return min(self.days, default=None)

    @property
    def last(self) -> date | None:
        """The last day."""
        return max(self.days, default=None)

    def after(self, day: date) -> int:
        """How many rows are of later days."""
        return sum(rows for each, rows in self.days.items() if each > day)

    def __add__(self, other: DatedRows) -> DatedRows:
        """Both together."""
        days = dict(self.days)
        for day, rows in other.days.items():
            days[day] = days.get(day, 0) + rows
        return DatedRows(rows=self.rows + other.rows, days=days)


def day_counts(first: int, counts: NDArray[np.int64]) -> dict[date, int]:
    """Rows by day, of the rows of each day from `first` on (days since 1970); days without a row are not among them."""
    at = counts.nonzero()[0]
    return dict(zip(pl.Series(at + first).cast(pl.Int32).cast(pl.Date), counts[at].tolist(), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageFacts:
    """What the coverage statement needs to know of rows, of all students or of a part of them; parts add up.

    `tables`: the names of the tables that are there. `dated`: of those in `EVENT_DATES`, their rows by day. `present`:
    days that record presence. `last_recorded`: school_id -> the last recorded day.
    """

    tables: frozenset[str]
    dated: Mapping[str, DatedRows] = field(default_factory=dict[str, DatedRows])
    present: int = 0
    last_recorded: Mapping[str, date] = field(default_factory=dict[str, date])

    @classmethod
    def of(cls, tables: Mapping[str, pl.DataFrame]) -> CoverageFacts:
        """Of checked tables, presence rows still among them."""
        calendar = tables.get("calendar_days")
        dated = {name: known_days(name, tables[name], calendar) for name in EVENT_DATES if name in tables}
        facts: dict[str, Any] = {"dated": {name: DatedRows.of(days) for name, days in dated.items()}}
        if "attendance_events" in tables:
            events = tables["attendance_events"]
            recorded = events.group_by("school_id").agg(pl.col("date").max())
            facts["present"] = events.filter(pl.col("status") == AttendanceStatus.PRESENT).height
            facts["last_recorded"] = dict(recorded.iter_rows())
        return cls(tables=frozenset(tables), **facts)

    def with_events(self, rows: DatedRows, *, present: int, last_recorded: Mapping[str, date]) -> CoverageFacts:
        """These, and further rows of `attendance_events`."""
        dated = {"attendance_events": rows}
        return self + CoverageFacts(tables=frozenset(), dated=dated, present=present, last_recorded=last_recorded)

    def of_table(self, name: str) -> DatedRows:
        """The rows of a table."""
        return self.dated.get(name, DatedRows())

    def __add__(self, other: CoverageFacts) -> CoverageFacts:
        """Both together."""
        last, names = dict(self.last_recorded), {*self.dated, *other.dated}
        for school, day in other.last_recorded.items():
            last[school] = max(day, last.get(school, day))
        return CoverageFacts(
            tables=self.tables | other.tables,
            dated={name: self.of_table(name) + other.of_table(name) for name in names},
            present=self.present + other.present,
            last_recorded=last,
        )


def describe_coverage(
    facts: CoverageFacts,
    *,
    schools: pl.DataFrame,
    reporting: pl.DataFrame | None,
    left_out: Mapping[str, str],
    partial: Mapping[str, str],
    missing_kinds: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
) -> Coverage:
    """The coverage statement of checked tables; `reporting` is None where the source has none.

    A table that is not among those of `facts` is absent from the source, or in `left_out` with the reason. `partial`:
    domain -> why the source speaks of it only in part. `missing_kinds`: domain -> those of `DomainCoverage`. `notes`
    come first; what is left out is noted too.
    """
    missing = [reason for table, reason in left_out.items() if table not in facts.tables]
    return Coverage(
        attendance=replace(
            _attendance(facts, left_out=left_out, partial=partial), missing_kinds=_kinds(missing_kinds, "attendance")
        ),
        behavior=replace(
            _behavior(facts, left_out=left_out, partial=partial), missing_kinds=_kinds(missing_kinds, "behavior")
        ),
        coursework=_coursework(facts, left_out=left_out, partial=partial),
        last_reported=_last_reported(facts, reporting),
        reporting_known=reporting is not None,
        notes=(*notes, *missing, *_presence_notes(facts), *_reporting_notes(facts, schools, reporting)),
    )


def _kinds(missing_kinds: Mapping[str, Sequence[str]] | None, domain: str) -> tuple[str, ...]:
    return tuple((missing_kinds or {}).get(domain, ()))


def _none(table: str, left_out: Mapping[str, str]) -> DomainCoverage:
    return replace(NOT_COVERED, reason=left_out[table]) if table in left_out else NOT_COVERED


def _covered(dated: DatedRows, reasons: Sequence[str]) -> DomainCoverage:
    """Full where nothing limits it; `first` and `last` are the first and the last dated row."""
    return DomainCoverage(
        level=CoverageLevel.PARTIAL if reasons else CoverageLevel.FULL,
        first=dated.first,
        last=dated.last,
        rows=dated.rows,
        reason="; ".join(reasons) or None,
    )


def _attendance(facts: CoverageFacts, *, left_out: Mapping[str, str], partial: Mapping[str, str]) -> DomainCoverage:
    if "attendance_events" not in facts.tables:
        return _none("attendance_events", left_out)
    reasons = [partial["attendance"]] if "attendance" in partial else []
    if not facts.of_table("attendance_events").rows and "reporting" not in facts.tables:
        reasons.append("no absence is recorded, and no school says through which day it has reported")
    return _covered(facts.of_table("attendance_events"), reasons)


def _behavior(facts: CoverageFacts, *, left_out: Mapping[str, str], partial: Mapping[str, str]) -> DomainCoverage:
    if "incidents" not in facts.tables:
        return _none("incidents", left_out)
    reasons = [partial["behavior"]] if "behavior" in partial else []
    if "discipline_actions" not in facts.tables:
        reasons.append(left_out.get("discipline_actions", "the source has no discipline_actions"))
        return replace(_covered(facts.of_table("incidents"), reasons), missing_tables=("discipline_actions",))
    return _covered(facts.of_table("incidents"), reasons)


def _coursework(facts: CoverageFacts, *, left_out: Mapping[str, str], partial: Mapping[str, str]) -> DomainCoverage:
    if "course_grades" not in facts.tables:
        return _none("course_grades", left_out)
    return _covered(facts.of_table("course_grades"), [partial["coursework"]] if "coursework" in partial else [])


def known_days(table: str, rows: pl.DataFrame, calendar_days: pl.DataFrame | None) -> pl.Series:
    """The day from which each row of a table about students is known, null where nothing says it.

    Without a calendar, what the row itself says.
    """
    if table == "course_grades" and calendar_days is not None:
        rows = known_grades(rows, calendar_days)
    elif table == "student_years" and calendar_days is not None:
        rows = known_years(rows, calendar_days)
    column = EVENT_DATES.get(table, "")
    return rows[column] if column in rows.columns else pl.Series([None], dtype=pl.Date).new_from_index(0, rows.height)


def known_grades(grades: pl.DataFrame, calendar_days: pl.DataFrame) -> pl.DataFrame:
    """The grades, each with the day from which it is known as `graded_on`.

    Where the source does not say: the last day of its term, or of its school year where the calendar has no such term;
    of a school that has no calendar for that year, the last day of the year in any school's.
    """
    undated = grades["graded_on"].is_null()
    if not undated.any():
        return grades
    year = ["school_id", "school_year"]
    asked = grades.filter(undated).select(*year, "term")
    for ends, period in (
        (term_ends(calendar_days), [*year, "term"]),
        (school_year_ends(calendar_days), year),
        (last_days_of_years(calendar_days), ["school_year"]),
    ):
        asked = asked.join(ends, on=period, how="left", maintain_order="left")
    known_on = asked.select(pl.coalesce("term_end", "year_end", "known_on")).to_series()
    return grades.with_columns(grades["graded_on"].scatter(undated.arg_true(), known_on))


def known_years(student_years: pl.DataFrame, calendar_days: pl.DataFrame) -> pl.DataFrame:
    """The summaries of school years, each with the day from which it is known as `known_on`.

    That is the last day of its year in any school's calendar; null where the calendar does not reach back to it.
    """
    return student_years.join(last_days_of_years(calendar_days), on="school_year", how="left", maintain_order="left")


def _last_reported(facts: CoverageFacts, reporting: pl.DataFrame | None) -> dict[str, date]:
    if reporting is not None:
        return dict(reporting.select("school_id", "reported_through").sort("school_id").iter_rows())
    return dict(sorted(facts.last_recorded.items()))


def _presence_notes(facts: CoverageFacts) -> list[str]:
    if not facts.present:
        return []
    rows = facts.of_table("attendance_events").rows
    return [f"attendance_events: {facts.present:,} of {rows:,} days record presence; absences and tardies are kept"]


def _reporting_notes(facts: CoverageFacts, schools: pl.DataFrame, reporting: pl.DataFrame | None) -> list[str]:
    if "attendance_events" not in facts.tables:
        return []
    if reporting is None:
        return [
            "the source does not say through which day each school has reported: silence counts as presence, and days "
            "count up to the as-of date"
        ]
    silent = schools.join(reporting, on="school_id", how="anti").height
    return (
        [f"reporting: {counted(silent, 'school does', 'schools do')} not say through which day they have reported"]
        if silent
        else []
    )
