"""What a source can speak of: attendance, behavior, coursework; from when to when; last reported day by school."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, cast

import polars as pl

from cis_ews.enums import AttendanceStatus, CoverageLevel, Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCoverage:
    """How far a source speaks of one domain; `reason` says why it is partial or none.

    `missing_tables`: tables of the domain that a source which covers the rest of it does not have.
    """

    level: CoverageLevel
    first: date | None = None
    last: date | None = None
    rows: int = 0
    reason: str | None = None
    missing_tables: tuple[str, ...] = ()


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


def describe_coverage(
    tables: Mapping[str, pl.DataFrame],
    *,
    left_out: Mapping[str, str],
    partial: Mapping[str, str],
    notes: Sequence[str] = (),
) -> Coverage:
    """The coverage statement of checked tables, presence rows still among them.

    A table that is not in `tables` is absent from the source, or in `left_out` with the reason. `partial`: domain ->
    why the source speaks of it only in part. `notes` come first; what is left out is noted too.
    """
    missing = [reason for table, reason in left_out.items() if table not in tables]
    return Coverage(
        attendance=_attendance(tables, left_out=left_out, partial=partial),
        behavior=_behavior(tables, left_out=left_out, partial=partial),
        coursework=_coursework(tables, left_out=left_out, partial=partial),
        last_reported=_last_reported(tables),
        reporting_known="reporting" in tables,
        notes=(*notes, *missing, *_presence_notes(tables), *_reporting_notes(tables)),
    )


def _none(table: str, left_out: Mapping[str, str]) -> DomainCoverage:
    return replace(NOT_COVERED, reason=left_out[table]) if table in left_out else NOT_COVERED


def _covered(rows: pl.DataFrame, column: str, reasons: Sequence[str]) -> DomainCoverage:
    """Full where nothing limits it; `first` and `last` are the first and the last dated row."""
    first, last = rows[column].min(), rows[column].max()
    return DomainCoverage(
        level=CoverageLevel.PARTIAL if reasons else CoverageLevel.FULL,
        first=first if isinstance(first, date) else None,
        last=last if isinstance(last, date) else None,
        rows=rows.height,
        reason="; ".join(reasons) or None,
    )


def _attendance(
    tables: Mapping[str, pl.DataFrame], *, left_out: Mapping[str, str], partial: Mapping[str, str]
) -> DomainCoverage:
    if "attendance_events" not in tables:
        return _none("attendance_events", left_out)
    reasons = [partial["attendance"]] if "attendance" in partial else []
    if tables["attendance_events"].is_empty() and "reporting" not in tables:
        reasons.append("no absence is recorded, and no school says through which day it has reported")
    return _covered(tables["attendance_events"], "date", reasons)


def _behavior(
    tables: Mapping[str, pl.DataFrame], *, left_out: Mapping[str, str], partial: Mapping[str, str]
) -> DomainCoverage:
    if "incidents" not in tables:
        return _none("incidents", left_out)
    reasons = [partial["behavior"]] if "behavior" in partial else []
    if "discipline_actions" not in tables:
        reasons.append(left_out.get("discipline_actions", "the source has no discipline_actions"))
        covered = _covered(tables["incidents"], "date", reasons)
        return replace(covered, missing_tables=("discipline_actions",))
    return _covered(tables["incidents"], "date", reasons)


def _coursework(
    tables: Mapping[str, pl.DataFrame], *, left_out: Mapping[str, str], partial: Mapping[str, str]
) -> DomainCoverage:
    if "course_grades" not in tables:
        return _none("course_grades", left_out)
    grades = known_grades(tables["course_grades"], tables["calendar_days"])
    return _covered(grades, "graded_on", [partial["coursework"]] if "coursework" in partial else [])


def known_grades(grades: pl.DataFrame, calendar_days: pl.DataFrame) -> pl.DataFrame:
    """The grades, each with the day from which it is known as `graded_on`.

    Where the source does not say: the last day of its term, or of its school year where the calendar has no such term.
    """
    year, term = ["school_id", "school_year"], ["school_id", "school_year", "term"]
    last_day = pl.col("date").max()
    year_ends = calendar_days.group_by(year).agg(last_day.alias("year_end"))
    term_ends = calendar_days.group_by(term).agg(last_day.alias("term_end"))
    dated = grades.join(term_ends, on=term, how="left").join(year_ends, on=year, how="left")
    known_on = pl.coalesce("graded_on", "term_end", "year_end")
    return dated.with_columns(known_on.alias("graded_on")).drop("term_end", "year_end")


def known_years(student_years: pl.DataFrame, calendar_days: pl.DataFrame) -> pl.DataFrame:
    """The summaries of school years, each with the day from which it is known as `known_on`.

    That is the last day of its year in any school's calendar; null where the calendar does not reach back to it.
    """
    ends = calendar_days.group_by("school_year").agg(known_on=pl.col("date").max())
    return student_years.join(ends, on="school_year", how="left", maintain_order="left")


def _last_reported(tables: Mapping[str, pl.DataFrame]) -> dict[str, date]:
    if "reporting" in tables:
        said = tables["reporting"].select("school_id", pl.col("reported_through").alias("last"))
    elif "attendance_events" in tables:
        said = tables["attendance_events"].group_by("school_id").agg(pl.col("date").max().alias("last"))
    else:
        return {}
    return dict(said.sort("school_id").iter_rows())


def _presence_notes(tables: Mapping[str, pl.DataFrame]) -> list[str]:
    if "attendance_events" not in tables:
        return []
    events = tables["attendance_events"]
    present = events.filter(pl.col("status") == AttendanceStatus.PRESENT).height
    if not present:
        return []
    return [f"attendance_events: {present:,} of {events.height:,} days record presence; absences and tardies are kept"]


def _reporting_notes(tables: Mapping[str, pl.DataFrame]) -> list[str]:
    if "attendance_events" not in tables:
        return []
    if "reporting" not in tables:
        return [
            "the source does not say through which day each school has reported: silence counts as presence, and days "
            "count up to the as-of date"
        ]
    silent = tables["schools"].join(tables["reporting"], on="school_id", how="anti").height
    return [f"reporting: {silent:,} schools do not say through which day they have reported"] if silent else []
